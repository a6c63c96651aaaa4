#!/usr/bin/env bash
# From a trained checkpoint to a plan for a small device, unattended: prune, distil, export, quantize, verify, build.
#
#     examples/pipeline.sh --checkpoint run/best --data dataset/ --out deploy/ [--target-macs 0.5] [--alpha 0.3] [--token-merging 4] [--recovery recovery.json]
#                          [--precision int8] [--set recovery.epochs=5]...
#
# An adapter of the checkpoint is merged first.  The pruned network learns from the original: its loss is ALPHA times the divergence from the
# original's similarities and 1 - ALPHA times the contrastive loss; what else --recovery or --set say of the training goes to `prune`.
# --token-merging: the exported image tower, a ViT, merges so many tokens in each layer.
# Every step writes what it made and its report, OUT/STEP and OUT/STEP.json, whole or not at all.  Run again with the same options, after an
# error, a kill or a power failure: what has a report is not done again, and an interrupted training goes on where it was.
# Ends with the status of the command that failed: 2 for bad input, 3 where verify finds the files to differ, 4 for the machine's errors,
# 130 for an interrupt.  OUT/pipeline.json holds the reports of all steps; `edgeclip` and `edgeclip-edge` are those of $PATH, or $EDGECLIP_BIN.
set -euo pipefail

usage() {
  sed -n '2,/^set/p' "$0" | sed '$d; s/^# \{0,1\}//' >&2
  exit 2
}

macs=0.5 alpha=0.3 precision=int8 checkpoint="" data="" out="" merging="" more=()
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || usage
  case "$1" in
    --checkpoint) checkpoint=$2 ;;
    --data) data=$2 ;;
    --out) out=${2%/} ;;
    --target-macs) macs=$2 ;;
    --alpha) alpha=$2 ;;
    --token-merging) merging=$2 ;;
    --precision) precision=$2 ;;
    --recovery) more+=(--config "$2") ;;
    --set) more+=(--set "$2") ;;
    *) usage ;;
  esac
  shift 2
done
[ -n "$checkpoint" ] && [ -n "$data" ] && [ -n "$out" ] || usage
[ -z "${EDGECLIP_BIN:-}" ] || PATH=$EDGECLIP_BIN:$PATH
share=$(awk -v alpha="$alpha" 'BEGIN { if (alpha !~ /^[0-9.eE+-]+$/ || alpha + 0 < 0 || alpha + 0 > 1) exit 1; printf "%.9g", 1 - alpha }') || {
  echo "pipeline: --alpha: must be 0 to 1, is $alpha" >&2
  exit 2
}
for input in "$checkpoint" "$data"; do
  [ -d "$input" ] || { echo "pipeline: $input: is no folder; name a checkpoint and a prepared dataset" >&2; exit 2; }
done
mkdir -p "$out"

# What the steps of an earlier call were made with is what they go on with.
asked="$(cd "$(dirname "$checkpoint")" && pwd)/$(basename "$checkpoint") $(cd "$data" && pwd) $macs $alpha $precision${merging:+ merging $merging} ${more[*]:-}"
if [ -e "$out/options" ] && [ "$(cat "$out/options")" != "$asked" ]; then
  echo "pipeline: $out: was begun with other options; name another --out, or remove it" >&2
  exit 2
fi
printf '%s' "$asked" > "$out/options.new" && mv "$out/options.new" "$out/options"

# step NAME COMMAND...: unless its report is there.  What a killed one left without a report is replaced.
step() {
  local name=$1
  shift
  [ ! -e "$out/$name.json" ] || return 0
  echo "pipeline: $name" >&2
  # A check that was not met leaves a report, too: under its name it stands once the command has ended well.
  "$@" --json "$out/$name.part.json" && mv "$out/$name.part.json" "$out/$name.json"
}

prune() {
  if [ -e "$out/pruned.recovery/prune.json" ]; then
    step pruned edgeclip prune --resume --out "$out/pruned"
  else
    step pruned edgeclip prune --checkpoint "$checkpoint" --data "$data" --out "$out/pruned" --overwrite --target-macs "$macs" \
      --set recovery.losses.contrastive.weight="$share" --set recovery.losses.distillation.weight="$alpha" \
      --set recovery.losses.distillation.teacher="$checkpoint" "${more[@]}"
  fi
}

prune
step bundle edgeclip export --checkpoint "$out/pruned" --out "$out/bundle" --overwrite --no-verify ${merging:+--token-merging "$merging"}
step verified edgeclip-edge verify --bundle "$out/bundle"
source=bundle
if [ "$precision" = int8 ]; then
  calibrated=(--data "$data")
  [ ! -e "$out/bundle/calibration.json" ] || calibrated=()  # a network that learned to be int8 has its ranges
  step quantized edgeclip-edge quantize --bundle "$out/bundle" "${calibrated[@]}" --out "$out/quantized" --overwrite
  step verified_int8 edgeclip-edge verify --bundle "$out/quantized"
  source=quantized
fi
step plan edgeclip-edge build --bundle "$out/$source" --precision "$precision" --out "$out/plan" --overwrite
if [ -d "$data" ] && grep -q '"test"' "$data"/dataset.json 2>/dev/null; then
  step evaluated edgeclip-edge evaluate --plan "$out/plan" --data "$data" --split test
fi

{
  printf '{'
  separator=""
  for name in pruned bundle verified quantized verified_int8 plan evaluated; do
    [ -e "$out/$name.json" ] || continue
    printf '%s\n"%s": ' "$separator" "$name"
    cat "$out/$name.json"
    separator=","
  done
  printf '}\n'
} > "$out/pipeline.json.new"
mv "$out/pipeline.json.new" "$out/pipeline.json"
echo "pipeline: $out/plan is built; $out/pipeline.json says what it cost" >&2
