#!/usr/bin/env bash
# Builds and runs the tests.
#   scripts/test.sh          release build with all tests, and what the edge preset (no LibTorch) adds: that edgeclip-edge is
#                            configured, compiled and linked without LibTorch, and runs
#   scripts/test.sh --asan   also: address and undefined-behaviour sanitizers over everything that needs no LibTorch
#   scripts/test.sh --fuzz   also: the fuzz targets (clang): their corpus, and ten seconds each
#   scripts/test.sh --edge   the edge preset alone, with all of its tests: for a machine without LibTorch
#   scripts/test.sh --system the long tests of tests/system alone, on a release build: kills, failing disks, signals, two processes on one output;
#                            100 random changes of the bytes of each model below $EDGECLIP_PARITY; the Debian packages in a bare
#                            Debian; base, kernels and engine for 64-bit ARM under qemu (scripts/test_aarch64.sh); and the thread
#                            sanitizer over the pool of threads and the sessions that run on it
# EDGECLIP_DATA and EDGECLIP_PARITY (absolute paths) name real data and golden values; tests that need them are skipped without.
# Every skipped test is named, with its reason; the last line is "goldens: N run, M skipped", of the release build (--edge:
# of the edge build).
set -euo pipefail
cd "$(dirname "$0")/.."

asan=0 fuzz=0 edge_only=0 system=0
for argument in "$@"; do
  case "$argument" in
    --asan) asan=1 ;;
    --fuzz) fuzz=1 ;;
    --edge) edge_only=1 ;;
    --system) system=1 ;;
    *) echo "usage: scripts/test.sh [--asan] [--fuzz] [--edge] [--system]" >&2; exit 2 ;;
  esac
done
for name in EDGECLIP_DATA EDGECLIP_PARITY; do
  value=${!name:-}
  [ -z "$value" ] || [ -d "$value" ] || { echo "test: $name=$value is not a folder" >&2; exit 2; }
done

needs=()
[ $edge_only -eq 0 ] || needs+=(--edge)
[ $fuzz -eq 0 ] || needs+=(--fuzz)
[ $system -eq 0 ] || needs+=(--system)
scripts/setup.sh "${needs[@]}"
# Our suppressions name third-party libraries only, each with its reason.
export LSAN_OPTIONS="suppressions=$PWD/tests/lsan.supp:print_suppressions=0" UBSAN_OPTIONS=print_stacktrace=1
# Build folders share compiled files: paths below the checkout count as relative.
export CCACHE_BASEDIR=$PWD
if [ -z "${EDGECLIP_VTEST:-}" ]; then EDGECLIP_VTEST=$(scripts/find_vtest.sh "$PWD/build") && export EDGECLIP_VTEST; fi
log=$(mktemp) && trap 'rm -f "$log"' EXIT
if [ $system -eq 1 ]; then
  cmake --preset release >"$log" && cmake --build --preset release --target edgeclip edgeclip-edge replace_probe test_builder >"$log" || { tail -60 "$log" >&2; exit 1; }
  failed=0
  cmake --preset tsan >"$log" && cmake --build --preset tsan >"$log" || { tail -60 "$log" >&2; exit 1; }
  # The sanitizer of GCC 12 wants addresses where this kernel may not put them by itself.
  for test in kernels engine; do
    TSAN_OPTIONS=halt_on_error=1 setarch -R build/tsan/bin/test_$test --gtest_brief=1 || failed=1
  done
  EDGECLIP_MUTATIONS=100 build/release/bin/test_builder --gtest_filter='MutationsGolden.*' --gtest_brief=1 || failed=1
  tests/system/run.sh build/release/bin || failed=1
  scripts/test_aarch64.sh || failed=1
  exit $failed
fi

run() {  # run PRESET [LABEL...]: builds the whole preset and tests it; with labels of tests, these and what they need alone
  local preset=$1 start=$SECONDS build=() filter=()
  shift
  echo "== $preset" >&2
  if [ $# -gt 0 ]; then build=(--target "${@/#/test_}") filter=(--label-regex "^($(IFS='|'; echo "$*"))\$"); fi
  cmake --preset "$preset" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
  grep -A3 'CMake Warning' "$log" >&2 || true
  cmake --build --preset "$preset" "${build[@]}" >"$log" 2>&1 || { tail -60 "$log" >&2; exit 1; }
  echo "== $preset: built in $((SECONDS - start)) s" >&2
  results=$PWD/build/$preset/test_results
  rm -rf "$results"
  mkdir -p "$results"
  ctest --preset "$preset" -j "$(nproc)" --no-tests=error "${filter[@]}" 2>&1 | tee "$log" | grep -vE '^ +Start |   Passed ' || failed=1
  skipped_tests
}

skipped_tests() {  # gtest's report has a line for each test and, below it, one for each reason
  find "$results" -name '*.xml' -exec cat {} + | awk '
    /<testcase / { test = value("classname") "." value("name") }
    /<skipped / { reason = value("message"); sub(/^[^&]*&#x0A;/, "", reason); print "skipped: " test ": " reason }
    function value(key) { return match($0, "[ <]" key "=\"[^\"]*\"") ? substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 4) : "" }'
}

goldens() {  # goldens RESULT: how many tests of golden values have it
  find "$results" -name '*.xml' -exec cat {} + |
    grep -E '<testcase .*Golden' | grep -E " result=\"$1\"" | grep -cE "$2" || true
}

failed=0
if [ $asan -eq 1 ]; then run asan; fi
if [ $fuzz -eq 1 ] && [ $failed -eq 0 ]; then run fuzz; fi
if [ $failed -eq 0 ]; then
  if [ $edge_only -eq 1 ]; then run edge; else run edge architecture e2e; fi
fi
if [ $failed -eq 0 ] && [ $edge_only -eq 0 ]; then run release; fi
# A test line that closes itself ("/>") has neither a failure nor a reason below it.
echo "goldens: $(goldens completed '/>$') run, $(goldens skipped '') skipped"
exit $failed
