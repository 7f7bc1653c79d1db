#!/bin/sh
# Builds and runs the tests. `release` runs the release build's; `all` adds a build with AddressSanitizer and UndefinedBehaviorSanitizer, one with
# ThreadSanitizer for the threaded tests, and one by clang without the large models. The last line counts test programs: N passed, N failed.
# A run counts as failed as well when ctest says so or when it ran nothing.
set -u
cd "$(dirname "$0")/.."
what=${1:-all}
passed=0
failed=0

# build NAME PRESET [cmake options]; then run its tests, those matching $filter if set.
run() {
    name=$1
    preset=$2
    shift 2
    echo "== $name"
    if ! { cmake --preset "$preset" "$@" >"build/$name.log" 2>&1 && ninja -C "build/$preset" >>"build/$name.log" 2>&1; }; then
        tail -n 40 "build/$name.log"
        echo "== $name: the build failed"
        failed=$((failed + 1))
        return
    fi
    # shellcheck disable=SC2086
    ctest --test-dir "build/$preset" --output-on-failure --timeout 900 $filter >"build/$name.ctest" 2>&1
    status=$?
    grep -E '^ *[0-9]+/[0-9]+ Test|tests passed' "build/$name.ctest"
    n=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#[0-9]+:.* Passed' "build/$name.ctest")
    f=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#[0-9]+:.*\*\*\*' "build/$name.ctest")
    if [ "$f" = 0 ] && { [ "$status" != 0 ] || [ "$n" = 0 ]; }; then
        echo "== $name: ctest ended with status $status after $n passed tests"
        f=1
    fi
    [ "$f" = 0 ] || cat "build/$name.ctest"
    passed=$((passed + n))
    failed=$((failed + f))
}

mkdir -p build
filter=
run release release -DSAM2_WERROR=ON
if [ "$what" = all ]; then
    ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 run asan asan
    filter='-R threads|pool|test_track$'
    run tsan tsan
    filter='-E model_sam2'
    run clang clang
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
