#!/bin/sh
# The hierarchy of folders: which folder of src/ may include which (docs/ARCHITECTURE.md), and that apps and examples use the public header only.
set -u
cd "$(dirname "$0")/.."
bad=0

# folder, and what it may include besides itself and the public header
while read -r folder allowed; do
    [ -n "$folder" ] || continue
    for file in $(find "src/$folder" -name '*.[ch]' -o -name '*.inc' | sort); do
        for used in $(sed -n 's/^#include "\([a-z0-9_]*\)\/.*/\1/p' "$file" | sort -u); do
            case " $folder $allowed " in
            *" $used "*) ;;
            *)
                echo "$file includes $used/, which $folder/ may not"
                bad=1
                ;;
            esac
        done
    done
done <<END
base
cpu base
kernels base cpu
ops base cpu kernels
weights base
model base cpu kernels ops weights
predict base cpu kernels ops weights model
api base cpu kernels ops weights model predict
END

for file in $(find apps examples -name '*.[ch]' | sort); do
    if grep -nE '^#include "(base|cpu|kernels|ops|weights|model|predict|api)/' "$file"; then
        echo "$file includes the library's inside"
        bad=1
    fi
done
exit $bad
