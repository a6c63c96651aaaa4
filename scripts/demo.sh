#!/usr/bin/env bash
# From surveillance video to a ranked answer, with commands that can be copied: a dual encoder is trained on drawn pedestrians, adapted to a
# real camera by LoRA, pruned, exported, quantized, built into plans, and finds people by a sentence.
#   scripts/demo.sh [OUT]     default OUT: demo-out; a finished stage is done again
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-demo-out}
seed=${EDGECLIP_DEMO_SEED:-1}

scripts/setup.sh
cmake --preset release >/dev/null
cmake --build --preset release
PATH=$PWD/build/release/bin:$PATH
mkdir -p "$out" && out=$(realpath "$out")
started=$SECONDS
say() { printf '\n\033[1m== %s\033[0m (%d s)\n' "$*" $((SECONDS - started)) >&2; }

# The video is part of Debian's package opencv-doc; slim systems leave documentation out when they install it.
video=/usr/share/doc/opencv-doc/examples/data/vtest.avi
if [ ! -f "$video" ]; then
  video=$out/opencv-doc/usr/share/doc/opencv-doc/examples/data/vtest.avi
  [ -f "$video" ] || (mkdir -p "$out/opencv-doc" && cd "$out/opencv-doc" && apt-get download opencv-doc && dpkg-deb -x opencv-doc_*.deb .)
fi

say "drawn pedestrians with captions, and people of a real camera"
edgeclip synthesize --out "$out/synthetic" --people 4000 --seed "$seed"
edgeclip prepare --format video --annotations examples/vtest_pedes/annotations.json --images "$video" --out "$out/camera" \
  --tokenizer "$out/synthetic/tokenizer" --val-from-frame 320

say "train on drawn people, adapt to the camera by LoRA, prune"
edgeclip train --config configs/train/demo_pretrain.json --set seed="$seed" --data "$out/synthetic" --out "$out/pretrain"
edgeclip train --config configs/train/demo_adapt.json --set seed="$seed" --init "$out/pretrain/best" --data "$out/camera" --out "$out/adapt"
edgeclip prune --config configs/compress/demo_prune.json --set recovery.seed="$seed" --checkpoint "$out/adapt/best" --data "$out/synthetic" --out "$out/pruned"

say "export to ONNX, verify, quantize, build plans"
edgeclip export --checkpoint "$out/pruned" --out "$out/bundle"
edgeclip verify --bundle "$out/bundle" --json "$out/verify.json"
edgeclip quantize --method static --bundle "$out/bundle" --data "$out/synthetic" --out "$out/bundle-int8"
edgeclip build --bundle "$out/bundle" --precision fp32 --batches 1,4,8 --out "$out/plan-fp32"
edgeclip build --bundle "$out/bundle-int8" --precision int8 --batches 1,4,8 --out "$out/plan-int8"

say "measure every stage on both test sets"
for stage in pretrain/best adapt/best pruned plan-fp32 plan-int8; do
  case $stage in plan-*) source=--plan ;; *) source=--checkpoint ;; esac
  name=${stage%%/*}
  for data in synthetic camera; do
    edgeclip evaluate $source "$out/$stage" --data "$out/$data" --split test --json "$out/evaluate-$name-$data.json" >/dev/null
  done
done
for plan in plan-fp32 plan-int8; do
  edgeclip bench --plan "$out/$plan" --data "$out/synthetic" --queries 500 --batch 1 --json "$out/bench-$plan.json"
done

say "find people by a sentence"
edgeclip-edge index --plan "$out/plan-int8" --images "$out/camera" --out "$out/gallery"
