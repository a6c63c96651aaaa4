#!/usr/bin/env bash
# fixture.sh BIN WORLD: a small world for the system tests, made by the programs of BIN in about a minute.
#   dataset/     drawn people, prepared (12 train, 4 val, 4 test)   tiny.json   a model that trains in seconds
#   run/         a finished run of 6 steps, run-adapter/ of an adapter on it
#   bundle/ bundle-int8/ plan/ plan-other/ (other batches) plan-int8/ gallery/ gallery-int8/
#   images/      1,000 pictures, images.json their annotations, texts.txt sentences; images1/ to images3/ the same under other names, long.txt a list of all 4,000
# The file WORLD/made says that it is complete.
set -euo pipefail
bin=$(realpath "$1") world=$2
mkdir -p "$world" && world=$(realpath "$world")
cd "$world"
edge() { "$bin/edgeclip-edge" "$@" --quiet --threads 2 >>log 2>&1 || { echo "fixture: edgeclip-edge $* failed:" >&2; tail -3 log >&2; exit 1; }; }
workshop() { "$bin/edgeclip" "$@" --quiet --threads 2 >>log 2>&1 || { echo "fixture: edgeclip $* failed:" >&2; tail -3 log >&2; exit 1; }; }

cat >tiny.json <<'JSON'
{
  "model": {
    "vision": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": [64],
               "image_height": 32, "image_width": 16, "patch_size": 8},
    "text": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": [64],
             "max_position_embeddings": 32},
    "projection_dim": 16
  },
  "batch": 4, "steps": 6, "seed": 1
}
JSON
workshop synthesize --out dataset --people 20 --test-people 4 --val-people 4 --tokenizer train:200 --context-length 32 --seed 1
workshop train --config tiny.json --data dataset --out run
workshop train --init run/best --data dataset --out run-adapter --set lora_mode=adapter --set batch=4 --set steps=4 --set seed=1
workshop export --checkpoint run/best --out bundle --no-verify
edge quantize --bundle bundle --method static --data dataset --samples 8 --out bundle-int8
edge build --bundle bundle --batches 1,4 --out plan
edge build --bundle bundle --batches 1,8 --out plan-other
edge build --bundle bundle-int8 --precision int8 --out plan-int8

workshop synthesize --out pictures --people 500 --test-people 20 --val-people 20 --images-per-person 2 --tokenizer train:200 --context-length 32 --seed 2
python3 - <<'PY'
import csv, json, os
rows, seen = [], set()
with open("pictures/manifest.csv", newline="") as file:
    for row in csv.DictReader(file):
        if row["path"] in seen or len(rows) == 1000: continue
        seen.add(row["path"])
        name = "%04d%s" % (len(rows), os.path.splitext(row["path"])[1])
        root = json.load(open("pictures/dataset.json")).get("images") or "pictures"
        os.makedirs("images", exist_ok=True)
        os.rename(os.path.join(root, row["path"]), os.path.join("images", name))
        rows.append({"split": row["split"], "id": int(row["id"]), "file_path": name, "captions": [row["caption"]]})
assert len(rows) == 1000, len(rows)
json.dump(rows, open("images.json", "w"))
open("texts.txt", "w").write("".join(row["captions"][0].replace("\n", " ") + "\n" for row in rows))
for copy in range(4):
    if copy: os.makedirs("images%d" % copy)
    for row in rows:
        if copy: os.link("images/" + row["file_path"], "images%d/%s" % (copy, row["file_path"]))
open("long.txt", "w").write("".join("images%s/%s\n" % (copy or "", row["file_path"]) for copy in range(4) for row in rows))
PY
rm -r pictures
edge index --plan plan --images images --out gallery
edge index --plan plan-int8 --images images --out gallery-int8
touch made
