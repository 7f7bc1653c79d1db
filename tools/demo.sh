#!/bin/sh
# Shows what the program does, with the built-in model on made pictures: demo.sh BUILD_FOLDER [OUT]. Writes OUT/index.html (demo/index.html) with its
# pictures.
set -eu
cd "$(dirname "$0")/.."
tools=$(pwd)/tools
build=$(cd "$1" && pwd)
demo=${2:-demo}
sam2=$build/apps/cli/sam2
scene=$build/apps/media/sam2-scene
mkdir -p "$demo"
cd "$demo"

# value FILE KEY N: the numbers in brackets behind the N-th KEY
value() {
    grep -oE "\"$2\": *\[[^]]*\]" "$1" | sed -n "$3p" | sed 's/.*\[//; s/[] ]//g'
}
# run NAME ARGUMENTS...: the program, with what it says of times in NAME.txt
run() {
    name=$1
    shift
    "$sam2" "$@" -v 2>"$name.txt" || { cat "$name.txt" >&2; exit 1; }
    grep -v 'built-in model' "$name.txt" | sed "s/^sam2: /$name: /"
}

echo "a made scene: a click on one object, a box around another"
"$scene" 7 512 512 scene.png --json scene.json
run segment segment -i scene.png -p "$(value scene.json point 1)" --object -b "$(value scene.json box 2)" \
    -o mask.png --overlay segment.png --json segment.json

echo "everything in it"
run auto auto -i scene.png -o auto.json --overlay auto.png --points-per-side 16 --nms mask

for clip in crossing wall; do
    case $clip in
    crossing) echo "a made clip: two objects pass each other" ;;
    wall) echo "another: a disc passes behind a wall" ;;
    esac
    "$scene" 9 512 512 "$clip" --clip $clip --json "$clip.json"
    set -- --prompt "1:0:point:$(value "$clip.json" point 1)"
    [ $clip = wall ] || set -- "$@" --prompt "2:0:box:$(value "$clip.json" box 2)"
    run $clip track -i "$clip" "$@" --overlay "${clip}_masks/" --json "$clip.jsonl" --progress none
done

f=crossing_masks/000
g=wall_masks/000
"$build/apps/media/sam2-strip" strip.png --across 4 --reduce 2 scene.png segment.png auto.png ${f}00.png \
    ${f}06.png ${f}08.png ${f}10.png ${f}15.png ${g}04.png ${g}07.png ${g}10.png ${g}15.png

# The page reads nothing when it is opened: what it shows is written into it.
{
    cat "$tools/demo.html"
    echo "<script>show({said: {"
    for name in segment auto crossing wall; do
        printf '%s: "%s",\n' $name "$(grep -v 'built-in model' $name.txt | sed 's/[\\"<]/ /g; s/^sam2: //' | tr '\n' ' ')"
    done
    echo "}, segment:"
    cat segment.json
    echo ", auto:"
    cat auto.json
    for clip in crossing wall; do
        echo ", $clip: ["
        sed 's/$/,/' $clip.jsonl
        echo "]"
    done
    echo "})</script>"
} >index.html
rm segment.txt auto.txt crossing.txt wall.txt
echo "all of it on a page: $demo/index.html   in one picture: $demo/strip.png"
