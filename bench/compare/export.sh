#!/usr/bin/env bash
# Exported ONNX models in the readers of others (export.py), in a virtual environment that WORK keeps from run to run.
#   bench/compare/export.sh EDGECLIP WORK [options of export.py: --opsets 12 17 --json F ...]
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,3p' "$0" >&2; exit 2; }
program=$(realpath "$1") work=$(realpath -m "$2")
shift 2
if [ ! -x "$work/venv/bin/python" ]; then
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet numpy safetensors onnx onnxruntime openvino
fi
exec "$work/venv/bin/python" "$(dirname "$0")/export.py" --edgeclip "$program" "$@"
