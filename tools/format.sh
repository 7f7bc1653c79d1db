#!/bin/sh
# Formats all C files in place, or with --check says which are not formatted.
set -eu
cd "$(dirname "$0")/.."
files=$(git ls-files '*.c' '*.h')
if [ "${1:-}" = --check ]; then
    # shellcheck disable=SC2086
    clang-format --dry-run -Werror $files
else
    # shellcheck disable=SC2086
    clang-format -i $files
fi
