#!/usr/bin/env bash
# Builds the Debian packages: edgeclip-edge, its modules edgeclip-sentencepiece and edgeclip-media, libedgeclip1,
# libedgeclip-engine1, libedgeclip-dev.  Prints their paths.
#   scripts/package.sh [OUT]     default OUT: build/packages
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-build/packages}
for tool in dpkg-shlibdeps file; do  # without file CPack leaves out the packages' dependencies, and does not fail
  command -v "$tool" >/dev/null || { echo "package: $tool is not installed; run scripts/setup.sh --system" >&2; exit 2; }
done
log=$(mktemp) && trap 'rm -f "$log"' EXIT
export CCACHE_BASEDIR=$PWD
{ cmake --preset package && cmake --build --preset package; } >"$log" 2>&1 || { tail -60 "$log" >&2; exit 1; }
mkdir -p "$out" && out=$(realpath "$out")
rm -f "$out"/*edgeclip*.deb
(cd build/package && cpack -B "$out") >"$log" 2>&1 || { tail -60 "$log" >&2; exit 1; }
rm -rf "$out/_CPack_Packages"
ls "$out"/*edgeclip*.deb
