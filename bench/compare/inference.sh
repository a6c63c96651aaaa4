#!/usr/bin/env bash
# Encoders beside ONNX Runtime and OpenVINO, from one bundle: times, ratios, cold start, peak memory; idle and beside busy
# neighbours.
#   bench/compare/inference.sh BUNDLE WORK [options of inference.py: --batches 1,8 --threads 1,2 --neighbours 1 ...]
# WORK keeps the virtual environment, the plans and the peers' quantized models from run to run.  Needs build/edge (or PROGRAM).
# EDGECLIP_CPU=avx2 (ours) with ONEDNN_MAX_CPU_ISA=AVX2 (OpenVINO) says what a lesser machine would do; ONNX Runtime has no such
# switch.
set -euo pipefail
bundle=$(realpath "$1") work=$(realpath -m "$2")
shift 2
here=$(cd "$(dirname "$0")" && pwd)
program=${PROGRAM:-$here/../../build/edge/bin/edgeclip-edge}
mkdir -p "$work"
if [ ! -x "$work/venv/bin/python" ]; then
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet numpy onnx onnxruntime openvino sympy
fi
python=$work/venv/bin/python
for precision in fp32 bf16 int8; do
  [ -d "$work/$precision" ] || "$program" build --bundle "$bundle" --precision "$precision" --batches 1,4,8 --memory-pool-mb 2048 --out "$work/$precision" --quiet
done
for tower in image text; do
  # Captions have a length of their own here: 77 is what the peers' models are run with.
  [ -f "$work/$tower.static.onnx" ] || "$python" "$here/quantize_for_peers.py" "$bundle/$tower.onnx" "$work/$tower.dynamic.onnx" "$work/$tower.static.onnx" tokens=77
  models+=(--model "$tower=fp32=$work/fp32:$tower=$bundle/$tower.onnx" --model "$tower=bf16=$work/bf16:$tower=$bundle/$tower.onnx"
    --model "$tower=int8=$work/int8:$tower=onnxruntime:$work/$tower.dynamic.onnx,$work/$tower.static.onnx")
done
exec "$python" "$here/inference.py" --program "$program" --dim tokens=77 "${models[@]}" "$@"
