#!/usr/bin/env bash
# Makes one small artifact of each format beside this script (docs/formats.md).  Run it only for a new format version, into a folder of that
# version: the files that are here stay as they are, because they stand for files that users have.
#   PATH=build/release/bin:$PATH tests/golden/formats/make.sh v1
set -euo pipefail
cd "$(dirname "$0")"
mkdir "$1" && cd "$1"
cat >train.json <<'J'
{
  "model": {
    "vision": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": [32], "image_height": 32, "image_width": 16, "patch_size": 8},
    "text": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": [32], "max_position_embeddings": 32},
    "projection_dim": 8
  },
  "batch": 4, "steps": 2, "validate_every": 1, "seed": 1
}
J
edgeclip synthesize --out dataset --people 6 --test-people 2 --val-people 1 --seed 1 --context-length 32 --tokenizer train:120
edgeclip train --config train.json --data dataset --out run
jq 'del(.model)' train.json >adapt.json
edgeclip train --config adapt.json --set lora_mode=adapter --set lora.rank=2 --set saving.base=true --init run/final --data dataset --out run-lora
edgeclip export --checkpoint run-lora/final --out bundle
edgeclip quantize --method static --bundle bundle --data dataset --out bundle-int8
edgeclip build --bundle bundle --precision fp32 --batches 1,2 --memory-pool-mb 16 --out plan
edgeclip index --plan plan --images dataset --out gallery
# Three boxes of the demo's video.
jq '.[:3]' ../../../../examples/vtest_pedes/annotations.json >three.json
edgeclip prepare --format video --annotations three.json --images "$(../../../../scripts/find_vtest.sh "${TMPDIR:-/tmp}")" --tokenizer dataset/tokenizer --context-length 32 --out video-dataset
mv run-lora/final checkpoint
edgeclip adapters --checkpoint checkpoint --add night=checkpoint --drop default --out adapters
edgeclip prune --checkpoint checkpoint --data dataset --out pruning --set recovery.batch=3 --set recovery.steps=1000000 &
until [ -s pruning.recovery/run/metrics.jsonl ]; do sleep 0.1; done
kill -INT $! && wait $! || true
rm -r pruning.recovery/{pruned,run}
jq '.base.absolute = "/nowhere/checkpoint"' adapters/config.json >config.json && mv config.json adapters/
rm -r run-lora train.json adapt.json three.json run/best run/final
