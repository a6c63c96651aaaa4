#!/usr/bin/env bash
# Builds and runs the tests.
#   scripts/test.sh          release build with all tests, and the edge preset (no LibTorch) with its own
#   scripts/test.sh --asan   also: address and undefined-behaviour sanitizers over everything that needs no LibTorch
#   scripts/test.sh --fuzz   also: the fuzz targets (clang): their corpus, and ten seconds each
#   scripts/test.sh --edge   the edge preset alone: for a machine without LibTorch
# EDGECLIP_DATA and EDGECLIP_PARITY (absolute paths) name real data and golden values; tests that need them are skipped without.
# The run ends with ctest's summary, which names every skipped test, and a line "goldens: N run, M skipped".
set -euo pipefail
cd "$(dirname "$0")/.."

asan=0 fuzz=0 edge_only=0
for argument in "$@"; do
  case "$argument" in
    --asan) asan=1 ;;
    --fuzz) fuzz=1 ;;
    --edge) edge_only=1 ;;
    *) echo "usage: scripts/test.sh [--asan] [--fuzz] [--edge]" >&2; exit 2 ;;
  esac
done
for name in EDGECLIP_DATA EDGECLIP_PARITY; do
  value=${!name:-}
  [ -z "$value" ] || [ -d "$value" ] || { echo "test: $name=$value is not a folder" >&2; exit 2; }
done

needs=()
[ $edge_only -eq 0 ] || needs+=(--edge)
[ $fuzz -eq 0 ] || needs+=(--fuzz)
scripts/setup.sh "${needs[@]}"
# Our suppressions name third-party libraries only, each with its reason.
export LSAN_OPTIONS="suppressions=$PWD/tests/lsan.supp:print_suppressions=0" UBSAN_OPTIONS=print_stacktrace=1
# Build folders share compiled files: paths below the checkout count as relative.
export CCACHE_BASEDIR=$PWD
if [ -z "${EDGECLIP_VTEST:-}" ]; then EDGECLIP_VTEST=$(scripts/find_vtest.sh "$PWD/build") && export EDGECLIP_VTEST; fi
log=$(mktemp) && trap 'rm -f "$log"' EXIT

run() {  # run PRESET
  echo "== $1" >&2
  local start=$SECONDS
  cmake --preset "$1" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
  grep -A3 'CMake Warning' "$log" >&2 || true
  cmake --build --preset "$1" >"$log" 2>&1 || { tail -60 "$log" >&2; exit 1; }
  echo "== $1: built in $((SECONDS - start)) s" >&2
  ctest --preset "$1" -j "$(nproc)" --no-tests=error 2>&1 | tee "$log" | grep -vE '^ +Start |   Passed ' || failed=1
}

failed=0
if [ $asan -eq 1 ]; then run asan; fi
if [ $fuzz -eq 1 ] && [ $failed -eq 0 ]; then run fuzz; fi
if [ $failed -eq 0 ]; then run edge; fi
if [ $failed -eq 0 ] && [ $edge_only -eq 0 ]; then run release; fi
echo "goldens: $(grep -E 'Golden.*   Passed ' "$log" | wc -l) run, $(grep -E '[0-9]+: .*Golden.*\*\*\*Skipped' "$log" | wc -l) skipped"
exit $failed
