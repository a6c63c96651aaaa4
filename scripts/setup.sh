#!/usr/bin/env bash
# Installs what building, testing and the demo need: Debian 12 packages only.  Safe to run again; does nothing when all are there.
#   scripts/setup.sh          everything
#   scripts/setup.sh --edge   without LibTorch: enough for edgeclip-edge and its tests
#   scripts/setup.sh --fuzz   clang besides, for the fuzz targets
#   scripts/setup.sh --system strace and more besides, for the system tests, the packages and 64-bit ARM
set -euo pipefail

packages=(
  build-essential cmake ninja-build ccache pkg-config git ca-certificates
  nlohmann-json3-dev libspdlog-dev libfmt-dev libcli11-dev libxxhash-dev
  libjpeg-dev libpng-dev libfreetype-dev fonts-dejavu-core zlib1g-dev libicu-dev libzip-dev libarchive-dev libhwy-dev libsentencepiece-dev
  libopencv-core-dev libopencv-imgproc-dev libopencv-imgcodecs-dev libopencv-videoio-dev
  libonnx-dev libprotobuf-dev protobuf-compiler libflatbuffers-dev flatbuffers-compiler libdnnl-dev
  libgtest-dev
)
workshop=(
  libgloo-dev    # headers of what LibTorch lets processes talk with
  libtorch-dev
  libopenblas0-openmp   # Debian's default BLAS is about 80 times slower
  jq                    # the demo's table
  opencv-doc            # holds vtest.avi, the demo's video
)
edge=0
for argument in "$@"; do
  case "$argument" in
    --edge) edge=1 ;;
    --fuzz) packages+=(clang libclang-rt-14-dev libomp-dev) ;;
    --system) packages+=(strace python3 file debootstrap g++-aarch64-linux-gnu qemu-user-static) ;;
    *) echo "usage: scripts/setup.sh [--edge] [--fuzz] [--system]" >&2; exit 2 ;;
  esac
done
[ $edge -eq 1 ] || packages+=("${workshop[@]}")

missing=()
for p in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "setup: all ${#packages[@]} packages are installed" >&2
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "setup: installing packages needs root: run scripts/setup.sh as root, or install sudo" >&2; exit 2; }
  as_root=(sudo)
fi
grep -q '^VERSION_ID="12"' /etc/os-release 2>/dev/null || echo "setup: this is not Debian 12; package names and versions may differ" >&2
echo "setup: installing ${missing[*]}" >&2
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo "setup: done" >&2
