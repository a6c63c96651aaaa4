#!/usr/bin/env bash
# Prints the path of vtest.avi, the surveillance video of Debian's package opencv-doc.  Slim systems leave documentation out when they
# install it: then the package is unpacked below FOLDER.
#   scripts/find_vtest.sh FOLDER
set -euo pipefail
file=usr/share/doc/opencv-doc/examples/data/vtest.avi
if [ -f "/$file" ]; then
  echo "/$file"
else
  mkdir -p "$1/opencv-doc" && cd "$1/opencv-doc"
  [ -f "$file" ] || { apt-get download -qq opencv-doc && dpkg-deb -x opencv-doc_*.deb . && rm opencv-doc_*.deb; } >&2
  echo "$PWD/$file"
fi
