#include "compress/prune_options.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/nearest.h"
#include "model/prune_groups.h"
#include "train/asked_options.h"
#include "train/losses/registry.h"

namespace edgeclip {

namespace {

void require_kinds(const std::vector<std::string>& kinds, const std::string& where) {
  std::vector<std::string> known;
  for (const PruneKind kind : kPruneKinds) known.emplace_back(prune_kind_name(kind));
  if (kinds.empty()) invalid_input("{}kinds: is empty, and something has to go: name some of neurons, heads, channels", where);
  for (const std::string& kind : kinds)
    if (std::find(known.begin(), known.end(), kind) == known.end())
      invalid_input("{}kinds: \"{}\" is none of neurons, heads, channels{}", where, kind, did_you_mean(kind, known));
}

}  // namespace

void PruneOptions::validate(const std::string& where) const {
  recovery.validate(where + "recovery.");
  if (recovery.lora_mode == "continue")
    invalid_input(
        "{0}recovery.lora_mode: continue: an adapter is merged into the weights before they are pruned; set {0}recovery.lora_mode "
        "to adapter, or leave it out",
        where);
  const ObjectiveOptions& losses = recovery.losses;
  require_weights(losses, asked_options(options_to_json(losses), options_to_json(ObjectiveOptions()), nullptr),
                  where + "recovery.losses.");
  if (importance == "taylor" && measured_losses(losses).empty())
    invalid_input(
        "{}importance: taylor: none of recovery.losses can be measured on a model that is not training; give "
        "recovery.losses.contrastive a weight, or set importance to activation or magnitude",
        where);
  if (blocks > 0 && measured_losses(losses).empty())
    invalid_input("{}blocks: none of recovery.losses can be measured on a model that is not training; give "
                  "recovery.losses.contrastive a weight", where);
  const auto require = [&](bool ok, const char* key, double value, const char* rule) {
    if (!ok) invalid_input("{}{}: must be {}, is {}", where, key, rule, value);
  };
  const auto require_part = [&](double value, const char* key) {
    require(value >= 0 && value < 1, key, value, "at least 0 and below 1");
  };
  require_part(mlp_ratio, "mlp_ratio");
  require_part(head_ratio, "head_ratio");
  require_part(channel_ratio, "channel_ratio");
  require_part(target_macs, "target_macs");
  require_part(sparsity, "sparsity");
  require(std::isfinite(target_latency) && target_latency >= 0, "target_latency", target_latency, "a time in milliseconds");
  require(std::isfinite(sparsity_threshold) && sparsity_threshold >= 0, "sparsity_threshold", sparsity_threshold, "at least 0");
  require(blocks >= 0, "blocks", blocks, "at least 0");
  require(multiple >= 1, "multiple", multiple, "at least 1");
  require(min_keep > 0 && min_keep <= 1, "min_keep", min_keep, "above 0 and at most 1");
  require(calibration_batches >= 1, "calibration_batches", calibration_batches, "at least 1");
  require(rounds >= 1 && rounds <= 100, "rounds", rounds, "1 to 100");
  require_kinds(kinds, where);
  if (!global && ranking != "auto")
    invalid_input("{}ranking: {}: layers are not compared while global is false; leave one of the two out", where,
                  ranking);
  if (target_macs > 0 && target_latency > 0)
    invalid_input("{}target_latency: is a goal beside target_macs; leave one of the two out", where);
  if (has_target()) {
    const char* const goal = target_macs > 0 ? "target_macs" : "target_latency";
    if (!global) invalid_input("{}global: {} compares layers; leave one of the two out", where, goal);
    if (ranking == "score")
      invalid_input("{}ranking: score: for {} units go by their score per multiply-accumulate; leave ranking out", where, goal);
    for (const auto& [key, is_set] :
         {std::pair{"mlp_ratio", mlp_ratio != PruneOptions().mlp_ratio && mlp_ratio != 0}, {"head_ratio", head_ratio > 0},
          {"channel_ratio", channel_ratio > 0}})
      if (is_set) invalid_input("{}{}: {} decides how much goes; leave one of the two out", where, key, goal);
  } else if (kinds != PruneOptions().kinds) {
    invalid_input("{}kinds: says what may go for target_macs or target_latency, and neither is set; set one, or the ratios", where);
  }
  if (!sparsity_global && sparsity == 0)
    invalid_input("{}sparsity_global: says of what sparsity is a part, and sparsity is 0; set it, or leave this out", where);
  if (rounds > 1 && !recovers())
    invalid_input("{}rounds: {} rounds without a recovery between them are one; set recovery.steps or recovery.epochs", where, rounds);
  if (sparsifies() && recovers() && recovery.lora_mode == "adapter")
    invalid_input("{}recovery.lora_mode: an adapter would fill the zeros that sparsity makes; set it to none", where);
}

}  // namespace edgeclip
