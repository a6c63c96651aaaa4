#!/usr/bin/env bash
# Makes a checkpoint of format 2, whose base is v1's, into a new folder v2 beside this script.
#   PATH=build/release/bin:$PATH tests/golden/formats/make_v2.sh
set -euo pipefail
cd "$(dirname "$0")"
mkdir v2
edgeclip adapters --checkpoint v1/checkpoint --add night=v1/checkpoint --drop default --out v2/adapters
jq '.base.absolute = "/nowhere/checkpoint"' v2/adapters/config.json >v2/config.json && mv v2/config.json v2/adapters/
