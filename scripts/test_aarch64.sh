#!/usr/bin/env bash
# Cross-compiles base, kernels, engine and libedgeclip_engine for 64-bit ARM and runs their unit tests under qemu.
#   scripts/test_aarch64.sh [GTEST_FILTER]
# Debian's arm64 packages of the libraries are unpacked below build/aarch64/root; this machine's packages stay as they are.
# Left out are the tests of `apart` below.  Times under qemu say nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in aarch64-linux-gnu-g++ qemu-aarch64-static dpkg-deb; do
  command -v "$tool" >/dev/null || { echo "aarch64: $tool is not installed; run scripts/setup.sh --system" >&2; exit 2; }
done
root=$PWD/build/aarch64/root
packages=(libdnnl2 libdnnl-dev libfmt9 libfmt-dev libspdlog1.10 libspdlog-dev libxxhash0 libxxhash-dev libflatbuffers2
          libflatbuffers-dev libgtest-dev nlohmann-json3-dev)

# apt with lists and a state of its own, for another architecture: nothing is installed.
fetch() {
  local apt=$root.apt
  mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/packages"
  : >"$apt/status"
  cat >"$apt/apt.conf" <<CONF
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
APT::Sandbox::User "root";
CONF
  (cd "$apt/packages" && APT_CONFIG=$apt/apt.conf apt-get update -qq && APT_CONFIG=$apt/apt.conf apt-get download -qq "${packages[@]}")
  rm -rf "$root.new" && mkdir "$root.new"
  for package in "$apt"/packages/*.deb; do dpkg-deb -x "$package" "$root.new"; done
  rm -rf "$root" "$apt" && mv "$root.new" "$root"
}
[ -d "$root" ] || fetch

cmake -G Ninja -S . -B build/aarch64/build -DCMAKE_BUILD_TYPE=Release -DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/aarch64-linux-gnu.cmake" \
  -DEDGECLIP_AARCH64_ROOT="$root" -DEDGECLIP_ENGINE_ONLY=ON >/dev/null
cmake --build build/aarch64/build >build/aarch64/build.log || { tail -60 build/aarch64/build.log >&2; exit 1; }
file=$(aarch64-linux-gnu-readelf -h build/aarch64/build/lib/libedgeclip_engine.so | awk -F: '/Machine/ { gsub(/^ +/, "", $2); print $2 }')
echo "aarch64: libedgeclip_engine.so is of $file" >&2
apart=(
  'OutOfMemory*' 'RequireThreads.*'                          # limits of memory and threads, which qemu needs itself
  CpuFeatures.AgreeWithTheSystem ReproducibleDigest.OfAnotherProcess  # /proc/cpuinfo and /proc/self/exe are of this machine
  'MachinePeaks.*' MemoryPools.BoundAllContextsAndGiveBack   # minutes
  OperatorsDoc.IsThatOfTheTable ConvIntegerKernel.EqualsTheReference  # name the kernels of x86-64
)
failed=0
for folder in base kernels engine; do
  start=$SECONDS
  qemu-aarch64-static -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH="$root/usr/lib/aarch64-linux-gnu" \
    "build/aarch64/build/bin/test_$folder" --gtest_brief=1 --gtest_filter="${1:-*}-$(IFS=:; echo "${apart[*]}")" || failed=1
  echo "aarch64: test_$folder: $((SECONDS - start)) s" >&2
done
exit $failed
