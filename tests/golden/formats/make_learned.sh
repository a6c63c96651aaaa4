#!/usr/bin/env bash
# Makes a checkpoint that learned to be int8, which quantization.json is of, from v1's dataset, into the folder v1/learned.
#   PATH=build/release/bin:$PATH tests/golden/formats/make_learned.sh
set -euo pipefail
cd "$(dirname "$0")/v1"
cat >train.json <<'J'
{
  "model": {
    "vision": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": [32], "image_height": 32, "image_width": 16, "patch_size": 8},
    "text": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": [32], "max_position_embeddings": 32},
    "projection_dim": 8
  },
  "batch": 3, "steps": 2, "seed": 1, "quantization_aware": {"enabled": true}
}
J
edgeclip train --config train.json --data dataset --out run-learned
mv run-learned/final learned
rm -r run-learned train.json
