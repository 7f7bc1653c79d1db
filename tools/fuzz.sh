#!/bin/sh
# Runs every fuzz target for SECONDS_EACH (600) seconds under libFuzzer, starting from the committed corpora; new inputs go to build/fuzz-corpus.
set -eu
cd "$(dirname "$0")/.."
cmake --preset fuzz >/dev/null
ninja -C build/fuzz
for target in build/fuzz/tests/fuzz/fuzz_*; do
    [ -x "$target" ] && [ -f "$target" ] || continue
    name=$(basename "$target")
    mkdir -p "build/fuzz-corpus/$name"
    "$target" -max_total_time="${SECONDS_EACH:-600}" -print_final_stats=1 "build/fuzz-corpus/$name" "tests/fuzz/corpus/$name"
done
