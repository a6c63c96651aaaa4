#include "model/config/token_merging.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/config/macs.h"

namespace edgeclip {

int merged_in(const VisionConfig& tower, int layer) {
  const std::vector<int>& merging = tower.token_merging;
  if (tower.model_type != "vit" || merging.empty()) return 0;
  if (tower.pooling == "class" && layer + 1 == tower.num_hidden_layers) return 0;
  return merging.size() == 1 ? merging[0] : merging.at(static_cast<std::size_t>(layer));
}

bool merges_tokens(const VisionConfig& tower) {
  for (int layer = 0; layer < tower.num_hidden_layers; ++layer)
    if (merged_in(tower, layer) > 0) return true;
  return false;
}

namespace {

/// The class token and the patches.
int tokens_in(const VisionConfig& vit) { return 1 + (vit.image_height / vit.patch_size) * (vit.image_width / vit.patch_size); }

/// Every other token, but for the first, may go into one of those between.
int most_merged_of(int tokens) { return (tokens + 1) / 2 - 1; }

}  // namespace

std::vector<int> tokens_of_layers(const VisionConfig& vit) {
  std::vector<int> tokens = {tokens_in(vit)};
  for (int layer = 0; layer < vit.num_hidden_layers; ++layer) tokens.push_back(tokens.back() - merged_in(vit, layer));
  return tokens;
}

namespace {

/// As many as the layers of a vit may all merge alike.
int most_merged(const VisionConfig& vit) {
  VisionConfig tried = vit;
  const auto possible = [&](int merged) {
    tried.token_merging = {merged};
    if (!merges_tokens(tried)) return false;  // in its one layer, nobody would read the rows that are left
    const std::vector<int> tokens = tokens_of_layers(tried);
    for (int layer = 0; layer < vit.num_hidden_layers; ++layer)
      if (merged_in(tried, layer) > most_merged_of(tokens[static_cast<std::size_t>(layer)])) return false;
    return true;
  };
  int most = 0;
  while (possible(most + 1)) ++most;
  return most;
}

}  // namespace

int merging_for_budget(const ModelConfig& config, double budget, const std::string& model) {
  ModelConfig tried = config;
  const auto macs = [&](int merged) {
    tried.vision.token_merging = {merged};
    return static_cast<double>(vit_macs(tried));
  };
  const double whole = macs(0);
  double least = whole;
  const int most = most_merged(config.vision);
  for (int merged = 0; merged <= most; ++merged) {
    const double left = macs(merged);
    if (left <= budget * whole) return merged;
    least = std::min(least, left);
  }
  // Rounded up, so that it is one that can be reached.
  invalid_input("--token-budget {}: {} can merge at most {} tokens in every layer, which leaves {:.4f} of its image tower's "
                "multiply-accumulates; give at least that",
                budget, model, most, std::ceil(least / whole * 1e4) / 1e4);
}

void check_token_merging(const std::vector<int>& merged, double budget, const std::string& where) {
  const std::string rates = where.empty() ? "--token-merging" : where + "token_merging";
  const std::string part = where.empty() ? "--token-budget" : where + "token_budget";
  if (!(budget >= 0 && budget <= 1))
    invalid_input("{}: {} is no part of the image tower's multiply-accumulates; give a number above 0 and at most 1", part, budget);
  if (budget > 0 && !merged.empty()) invalid_input("{}: {} says how many tokens are merged; leave one of them out", part, rates);
}

void choose_token_merging(ModelConfig& config, const std::vector<int>& merged, double budget, const std::string& model) {
  check_token_merging(merged, budget);
  if (merged.empty() && budget == 0) return;
  if (config.vision.model_type != "vit")
    invalid_input("{}: the image tower of {} is a {}, and a vit alone has tokens", budget > 0 ? "--token-budget" : "--token-merging", model,
                  config.vision.model_type);
  if (budget == 0) {
    config.vision.token_merging = merged;
    return;
  }
  config.vision.token_merging.clear();
  config.validate(model + ": model.");
  config.vision.token_merging = {merging_for_budget(config, budget, model)};
}

void validate_token_merging(const VisionConfig& vit, const std::string& where) {
  const auto n = vit.token_merging.size();
  if (n > 1 && n != static_cast<std::size_t>(vit.num_hidden_layers))
    invalid_input("{}token_merging: has {} numbers; give one, or one per layer ({})", where, n, vit.num_hidden_layers);
  for (const int merged : vit.token_merging)
    if (merged < 0) invalid_input("{}token_merging: must not be negative, is {}", where, merged);
  if (std::any_of(vit.token_merging.begin(), vit.token_merging.end(), [](int merged) { return merged > 0; }) && !merges_tokens(vit))
    invalid_input("{}token_merging: has no effect, for the last layer of a tower that pools its class token merges none; leave it out, "
                  "or choose pooling mean", where);
  int tokens = tokens_in(vit);
  for (int layer = 0; layer < vit.num_hidden_layers; ++layer) {
    const int merged = merged_in(vit, layer), most = most_merged_of(tokens);
    if (merged > most)
      invalid_input("{}token_merging: layer {} has {} tokens, of which at most {} can be merged, not {}; merge fewer", where,
                    layer, tokens, most, merged);
    tokens -= merged;
  }
}

}  // namespace edgeclip
