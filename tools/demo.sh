#!/bin/sh
# Segments a made scene with the small trained model that the project carries: demo.sh BUILD_FOLDER. Pictures go to demo/.
set -eu
cd "$(dirname "$0")/.."
build=$1
sam2=$build/apps/cli/sam2
mkdir -p demo

"$build/apps/media/sam2-scene" 7 512 512 demo/scene.png --json demo/scene.json
# The scene's own description says where a shape is: the inside point of the first, the box of the second.
point=$(grep -m1 -oE '"point": *\[[^]]*\]' demo/scene.json | grep -oE '[0-9.]+, *[0-9.]+' | tr -d ' ')
box=$(grep -oE '"box": *\[[^]]*\]' demo/scene.json | sed -n 2p | grep -oE '[0-9.]+, *[0-9.]+, *[0-9.]+, *[0-9.]+' | tr -d ' ')
echo "click at $point, box $box"
"$sam2" segment -m data/sam2.1_hiera_micro.safetensors -i demo/scene.png -p "$point" --object -b "$box" \
    -o demo/mask.png --overlay demo/overlay.png --json demo/masks.json -v
echo "the scene: demo/scene.png   the masks: demo/mask_0.png, demo/mask_1.png   both over the scene: demo/overlay.png"
