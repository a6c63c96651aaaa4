#include "compress/selection.h"

#include <algorithm>
#include <cmath>

#include "compress/every_network.h"
#include "support/support.h"

namespace edgeclip {
namespace {

using Kept = KeptUnits;

struct Options {
  double remove = 0.3;
  bool global = true;
  Ranking ranking = Ranking::score;
  int multiple = 8;
  double min_keep = 0.25;
};

Kept select_neurons(const std::vector<std::vector<float>>& scores, const Options& options, const std::vector<double>& macs = {}) {
  std::vector<UnitScores> groups;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto least = static_cast<std::int64_t>(std::ceil(options.min_keep * static_cast<double>(scores[i].size()) - 1e-9));
    groups.push_back({scores[i], options.multiple, std::max<std::int64_t>(least, 1), macs.empty() ? 1 : macs[i]});
  }
  return select_units(groups, options.remove, options.global, options.ranking);
}

TEST(SelectUnits, LeastImportantGoFirst) {
  const Kept kept = select_neurons({{5, 1, 4, 2, 3, 6, 0.5, 7}},
                                   {.remove = 0.5, .global = true, .multiple = 1, .min_keep = 0.1});
  EXPECT_EQ(kept, (Kept{{0, 2, 5, 7}}));
}

TEST(SelectUnits, ScaleOfALayerDoesNotMatterByItsMean) {
  // The same layer twice, once a thousand times larger: both lose the same.
  const std::vector<float> small = {1, 2, 3, 4, 9, 9, 9, 9};
  std::vector<float> large;
  for (const float score : small) large.push_back(1000 * score);
  const Kept kept =
      select_neurons({small, large}, {.remove = 0.5, .global = true, .ranking = Ranking::group_mean, .multiple = 2, .min_keep = 0.1});
  EXPECT_EQ(kept, (Kept{{4, 5, 6, 7}, {4, 5, 6, 7}}));
}

TEST(SelectUnits, ScoresOfOneScaleCompareAsTheyAre) {
  // The second layer matters a hundred times less: all that may go goes there.
  const std::vector<float> matters = {100, 200, 300, 400}, less = {1, 2, 3, 4};
  Options options{.remove = 0.25, .global = true, .multiple = 1, .min_keep = 0.25};
  EXPECT_EQ(select_neurons({matters, less}, options), (Kept{{0, 1, 2, 3}, {2, 3}}));
  options.remove = 0.5;
  EXPECT_EQ(select_neurons({matters, less}, options), (Kept{{1, 2, 3}, {3}})) << "the floor holds";
}

TEST(SelectUnits, WhatANeuronCostsCounts) {
  const std::vector<float> dear = {4, 4, 4, 4}, cheap = {2, 2, 2, 2};
  Options options{.remove = 0.25, .global = true, .multiple = 1, .min_keep = 0.25};
  EXPECT_EQ(select_neurons({dear, cheap}, options), (Kept{{0, 1, 2, 3}, {0, 1}}));
  options.ranking = Ranking::score_per_mac;
  EXPECT_EQ(select_neurons({dear, cheap}, options, {1000, 10}), (Kept{{0, 1}, {0, 1, 2, 3}}));
}

TEST(SelectUnits, UnevenLayersLoseUnevenly) {
  // Half of the first layer does nothing, all of the second counts alike.
  const Kept kept = select_neurons({{0, 0, 0, 0, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1}},
                                   {.remove = 0.25, .global = true, .multiple = 4, .min_keep = 0.25});
  EXPECT_EQ(kept, (Kept{{4, 5, 6, 7}, {0, 1, 2, 3, 4, 5, 6, 7}}));
  const Kept each = select_neurons({{0, 0, 0, 0, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1}},
                                   {.remove = 0.5, .global = false, .multiple = 4, .min_keep = 0.25});
  EXPECT_EQ(each, (Kept{{4, 5, 6, 7}, {0, 1, 2, 3}})) << "equal scores: the later goes first";
}

TEST(SelectUnits, KeepsMultiplesAndTheFloor) {
  std::vector<float> scores(30);
  for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = static_cast<float>(i);
  for (const bool global : {true, false}) {
    const Kept kept =
        select_neurons({scores, scores}, {.remove = 0.4, .global = global, .multiple = 8, .min_keep = 0.25});
    for (const auto& layer : kept) EXPECT_EQ(layer.size() % 8, 0u);
    EXPECT_GE(kept[0].size() + kept[1].size(), 36u) << "at most the asked part goes";
    const Kept floor =
        select_neurons({scores, scores}, {.remove = 0.99, .global = global, .multiple = 8, .min_keep = 0.5});
    for (const auto& layer : floor) EXPECT_EQ(layer.size(), 16u);
  }
}

TEST(SelectUnits, NothingAskedNothingTaken) {
  const Kept kept =
      select_neurons({{1, 2, 3}}, {.remove = 0, .global = true, .multiple = 8, .min_keep = 0.25});
  EXPECT_EQ(kept, (Kept{{0, 1, 2}}));
}

TEST(SelectUnits, ALayerThatDoesNothingKeepsItsFloor) {
  const Kept kept = select_neurons({std::vector<float>(16, 0.0f)},
                                   {.remove = 0.9, .global = true, .multiple = 4, .min_keep = 0.01});
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0], (std::vector<std::int64_t>{0, 1, 2, 3}));
}

TEST(SelectForMacs, WhatCountsLeastForItsCostGoesFirst) {
  const Checkpoint checkpoint = test::kNetworks[0].checkpoint();
  const std::vector<PruneGroup> groups = prune_groups(checkpoint.model, 7);
  const PassCost cost(checkpoint.model, groups, 7);
  std::vector<UnitScores> scores;
  for (const PruneGroup& group : groups)
    scores.push_back({std::vector<float>(static_cast<std::size_t>(group.units), 1.0f), group.kind == PruneKind::heads ? 1 : 4, 1, 1});
  scores[0].scores.assign(scores[0].scores.size(), 0.0f);  // the first layer's heads do nothing
  const double whole = cost.macs(cost.all_units());
  const MacSelection few = select_for_macs(scores, cost, whole - 1, Ranking::score);
  EXPECT_EQ(few.kept[0].size(), static_cast<std::size_t>(groups[0].units - 1));
  for (std::size_t g = 1; g < groups.size(); ++g) EXPECT_EQ(few.kept[g].size(), static_cast<std::size_t>(groups[g].units));
  const MacSelection half = select_for_macs(scores, cost, whole / 2, Ranking::score);
  EXPECT_LE(half.macs, whole / 2);
  EXPECT_GE(half.macs, whole * 0.4) << "no more goes than must";
  EXPECT_EQ(half.kept[0].size(), 1u);
  const MacSelection least = select_for_macs(scores, cost, 0, Ranking::score);
  EXPECT_GT(least.macs, 0);
  for (const auto& kept : least.kept) EXPECT_FALSE(kept.empty());
}

}  // namespace
}  // namespace edgeclip
