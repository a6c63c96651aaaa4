#!/usr/bin/env bash
# From surveillance video to a ranked answer, with commands that can be copied: a dual encoder is trained on drawn pedestrians, adapted
# to a real camera by LoRA, pruned, distilled, exported, quantized, built into plans, and finds people by a sentence.
#   scripts/demo.sh [OUT]     default OUT: demo-out; what is there from an earlier run is made again
set -euo pipefail
cd "$(dirname "$0")/.."
seed=${EDGECLIP_DEMO_SEED:-1}
started=$SECONDS
say() { printf '\n== %s (%d s)\n' "$*" $((SECONDS - started)) >&2; }

scripts/setup.sh
if [ -z "${EDGECLIP_DEMO_NO_BUILD:-}" ]; then
  say "build"
  log=$(mktemp)
  cmake --preset release >"$log" && cmake --build --preset release --target edgeclip edgeclip-edge >"$log" || { tail -50 "$log" >&2; exit 1; }
  rm -f "$log"
fi
PATH=$PWD/build/release/bin:$PATH
mkdir -p "${1:-demo-out}" && out=$(realpath "${1:-demo-out}")

video=$(scripts/find_vtest.sh "$out")
started=$SECONDS

say "drawn pedestrians with captions, and the people of a real camera (frames < 320: train, < 400: val, later: test)"
edgeclip synthesize --out "$out/synthetic" --people 4000 --seed "$seed" --json "$out/synthesize.json" >/dev/null
edgeclip prepare --format video --annotations examples/vtest_pedes/annotations.json --images "$video" --val-from-frame 320 \
  --tokenizer "$out/synthetic/tokenizer" --out "$out/camera" --json "$out/prepare.json" >/dev/null

say "pretrain on drawn pedestrians, adapt to the camera by LoRA, prune MLP neurons"
edgeclip train --overwrite --config configs/train/demo_pretrain.json --set seed="$seed" --data "$out/synthetic" --out "$out/pretrain"
edgeclip train --overwrite --config configs/train/demo_adapt.json --set seed="$seed" --init "$out/pretrain/best" --data "$out/camera" --out "$out/adapt"
edgeclip prune --config configs/compress/demo_prune.json --set recovery.seed="$seed" --checkpoint "$out/adapt/best" --data "$out/synthetic" --out "$out/pruned"
say "a student of half the multiply-accumulates, distilled from the adapted model"
edgeclip prune --config configs/compress/demo_distill.json --set recovery.seed="$seed" --set recovery.losses.distillation.teacher="$out/adapt/best" \
  --checkpoint "$out/adapt/best" --data "$out/synthetic" --out "$out/distilled"

say "export to ONNX and verify, quantize, build plans"
edgeclip export --checkpoint "$out/pruned" --out "$out/bundle" --no-verify
edgeclip verify --bundle "$out/bundle" --json "$out/verify.json"
edgeclip quantize --method static --bundle "$out/bundle" --data "$out/synthetic" --out "$out/bundle-int8"
edgeclip quantize --method dynamic --bundle "$out/bundle" --out "$out/bundle-dynamic"
edgeclip export --checkpoint "$out/distilled" --token-merging 4 --out "$out/bundle-fused"
edgeclip quantize --method static --bundle "$out/bundle-fused" --data "$out/synthetic" --out "$out/bundle-fused-int8"
edgeclip-edge build --bundle "$out/bundle" --precision fp32 --batches 1,4,8 --memory-pool-mb 64 --out "$out/plan-fp32"
edgeclip-edge build --bundle "$out/bundle-int8" --precision int8 --batches 1,4,8 --memory-pool-mb 64 --out "$out/plan-int8"
edgeclip-edge build --bundle "$out/bundle-dynamic" --precision int8 --batches 1,4,8 --memory-pool-mb 64 --out "$out/plan-dynamic"
edgeclip-edge build --bundle "$out/bundle-fused-int8" --precision int8 --batches 1,4,8 --memory-pool-mb 64 --out "$out/plan-fused"
for plan in fp32 int8; do
  edgeclip-edge verify --bundle "$out/bundle" --plan "$out/plan-$plan" --json "$out/verify-$plan.json"
done
edgeclip-edge verify --bundle "$out/bundle" --plan "$out/plan-dynamic" --json "$out/verify-dynamic.json"
edgeclip-edge verify --bundle "$out/bundle-fused" --plan "$out/plan-fused" --json "$out/verify-fused.json"

say "measure every stage on both test sets"
stages=(pretrain/best adapt/best pruned distilled plan-fp32 plan-int8 plan-dynamic plan-fused)
for stage in "${stages[@]}"; do
  name=${stage%%/*} source=--checkpoint
  case $name in plan-*) source=--plan ;; esac
  for data in synthetic camera; do
    edgeclip evaluate --quiet --batch 8 $source "$out/$stage" --data "$out/$data" --json "$out/$name-on-$data.json" >/dev/null
  done
  for people in seen unseen; do
    edgeclip evaluate --quiet --batch 8 $source "$out/$stage" --data "$out/camera" --people $people --json "$out/$name-on-camera-$people.json" >/dev/null
  done
done
for plan in fp32 int8; do
  edgeclip-edge bench --plan "$out/plan-$plan" --data "$out/synthetic" --queries 500 --batch 1 --json "$out/bench-$plan.json"
done

say "find people by a sentence"
edgeclip-edge index --plan "$out/plan-int8" --images "$out/camera" --out "$out/gallery"
i=0
for sentence in "A woman with long black hair wears a bright red jacket and blue jeans." \
                "An old man with grey hair in a blue jacket and grey trousers." \
                "The man is dressed all in black, in a long black coat and black trousers."; do
  i=$((i + 1))
  edgeclip-edge search --plan "$out/plan-int8" --gallery "$out/gallery" --text "$sentence" --top 10 --csv "$out/search-$i.csv" --grid "$out/search-$i.png"
done

say "one table, one page"
# rows: what a stage weighs and how it ranks the right person, on people it never saw drawn and on the camera's second half
rows='[]'
for stage in "${stages[@]}"; do
  name=${stage%%/*}
  base=$(jq -r '.base.absolute // empty' "$out/$stage/config.json" 2>/dev/null || true)  # of an adapter's checkpoint
  bytes=$({ cat "$out/$stage"/{model.safetensors,adapter_model.safetensors,image.plan,text.plan} ${base:+"$base/model.safetensors"} 2>/dev/null || true; } | wc -c)
  rows=$(jq -n --argjson rows "$rows" --arg name "$name" --argjson bytes "$bytes" \
    --slurpfile s "$out/$name-on-synthetic.json" --slurpfile c "$out/$name-on-camera.json" \
    'def two: . * 100 | round / 100; $rows + [{stage: $name, "size MB": ($bytes / 1e6 | two),
      "drawn R@1": ($s[0].text_to_image["R@1"] | two), "drawn R@5": ($s[0].text_to_image["R@5"] | two), "drawn mAP": ($s[0].text_to_image.mAP | two),
      "camera R@1": ($c[0].text_to_image["R@1"] | two), "camera R@5": ($c[0].text_to_image["R@5"] | two), "camera mAP": ($c[0].text_to_image.mAP | two),
      "ms per image": ($s[0].image_ms * 1000 | round / 1000)}]')
done
rows=$(jq -n --argjson rows "$rows" --slurpfile s "$out/pretrain-on-synthetic.json" --slurpfile c "$out/pretrain-on-camera.json" \
  'def two: . * 100 | round / 100; [{stage: "chance", "size MB": null,
    "drawn R@1": ($s[0].chance["R@1"] | two), "drawn R@5": ($s[0].chance["R@5"] | two), "drawn mAP": ($s[0].chance.mAP | two),
    "camera R@1": ($c[0].chance["R@1"] | two), "camera R@5": ($c[0].chance["R@5"] | two), "camera mAP": ($c[0].chance.mAP | two), "ms per image": null}] + $rows')
jq -n --argjson rows "$rows" '{title: "Stages", rows: $rows,
  charts: [{title: "Accuracy and time", label: "stage", x: "ms per image", y: ["drawn mAP", "camera mAP"]},
           {title: "Accuracy and size", label: "stage", x: "size MB", y: ["drawn mAP", "camera mAP"]}],
  note: "Text to image, in percent. drawn: synthetic test set (people never drawn in training); camera: real crops of the second half of the video. plan-*: pruned, of plan-fused distilled with fewer tokens, too; fp32, int8 calibrated, int8 with activations by row."}' >"$out/table.json"

people='[]'
for name in pretrain adapt; do
  for who in "" -seen -unseen; do
    people=$(jq -n --argjson rows "$people" --arg name "$name" --arg who "${who:--all}" --slurpfile c "$out/$name-on-camera$who.json" \
      'def two: . * 100 | round / 100; $rows + [{stage: $name, people: $who[1:], queries: $c[0].queries, gallery: $c[0].gallery, "R@1": ($c[0].text_to_image["R@1"] | two),
        mAP: ($c[0].text_to_image.mAP | two), "chance mAP": ($c[0].chance.mAP | two)}]')
  done
done
jq -n --argjson rows "$people" '{title: "Camera adaptation", rows: $rows, note: "Test crops of the camera: everyone, people also seen in training frames, and people who only appear later."}' >"$out/people.json"

edgeclip report --out "$out/report.html" --title "edgeclip: from video to a ranked answer" "$out/table.json" "$out/people.json" "$out"/search-?.png \
  "$out/pretrain" "$out/adapt" "$out"/bench-*.json
for table in table people; do
  echo
  jq -r '.rows | (.[0] | keys_unsorted), (.[] | [.[] | . // "-" | tostring]) | join("|")' "$out/$table.json" |
    awk -F'|' '{ for (i = 1; i <= NF; ++i) printf i == 1 ? "%-12s" : " %12s", $i; print "" }'
done
printf '\ndone in %d s after the build; open %s\n' $((SECONDS - started)) "$out/report.html"
