#!/bin/sh
# The shared library exports what the header declares, no more and no less: symbols.sh LIBRARY HEADER
set -eu
exported=$(nm -D --defined-only "$1" | awk '$2 ~ /[A-Z]/ && $3 != "_init" && $3 != "_fini" {sub(/@.*/, "", $3); print $3}' | sort -u)
declared=$(grep -oE '^SAM2_API [^(]*\(' "$2" | grep -oE '[a-z0-9_]+\($' | tr -d '(' | sort -u)
[ -n "$declared" ]
if [ "$exported" != "$declared" ]; then
    echo "exported:" "$exported"
    echo "declared:" "$declared"
    exit 1
fi
