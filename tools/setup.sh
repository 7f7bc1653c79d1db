#!/bin/sh
# Makes sure that what the build and the tests need is there: on Debian and its relatives missing packages are installed with apt-get where that is
# allowed, elsewhere they are named. Says nothing when nothing is missing. `setup.sh test` adds what only the tests need.
set -eu

# package, and a question that is answered with yes once it is installed
needs="
gcc             command -v cc
cmake           command -v cmake
make            command -v make
ninja-build     command -v ninja
pkg-config      command -v pkg-config
libjansson-dev  pkg-config --exists jansson
libjpeg62-turbo-dev pkg-config --exists libjpeg
libpng-dev      pkg-config --exists libpng
zlib1g-dev      pkg-config --exists zlib
libwebp-dev     pkg-config --exists libwebp
libtiff-dev     pkg-config --exists libtiff-4
libexif-dev     pkg-config --exists libexif
libavformat-dev pkg-config --exists libavformat
libavcodec-dev  pkg-config --exists libavcodec
libswscale-dev  pkg-config --exists libswscale
libavutil-dev   pkg-config --exists libavutil
libcmocka-dev   pkg-config --exists cmocka
"
[ "${1:-}" != test ] || needs="$needs
clang           command -v clang
g++             command -v g++
"

missing=$(echo "$needs" | while read -r package question; do
    [ -n "$package" ] || continue
    sh -c "$question" >/dev/null 2>&1 || printf '%s ' "$package"
done)
[ -n "$missing" ] || exit 0

if command -v apt-get >/dev/null 2>&1 && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
    as_root=
    [ "$(id -u)" = 0 ] || as_root=sudo
    echo "installing: $missing"
    $as_root apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "These packages (Debian's names) are missing; please install them: $missing" >&2
    exit 1
fi
