#include "compress/selection.h"

#include "support/support.h"

namespace edgeclip {
namespace {

using Kept = std::vector<std::vector<std::int64_t>>;

TEST(SelectNeurons, LeastImportantGoFirst) {
  const Kept kept = select_neurons({{5, 1, 4, 2, 3, 6, 0.5, 7}},
                                   {.remove = 0.5, .global = true, .multiple = 1, .min_keep = 0.1});
  EXPECT_EQ(kept, (Kept{{0, 2, 5, 7}}));
}

TEST(SelectNeurons, ScaleOfALayerDoesNotMatterByItsMean) {
  // The same layer twice, once a thousand times larger: both lose the same.
  const std::vector<float> small = {1, 2, 3, 4, 9, 9, 9, 9};
  std::vector<float> large;
  for (const float score : small) large.push_back(1000 * score);
  const Kept kept =
      select_neurons({small, large}, {.remove = 0.5, .global = true, .ranking = Ranking::layer_mean, .multiple = 2, .min_keep = 0.1});
  EXPECT_EQ(kept, (Kept{{4, 5, 6, 7}, {4, 5, 6, 7}}));
}

TEST(SelectNeurons, ScoresOfOneScaleCompareAsTheyAre) {
  // The second layer matters a hundred times less: all that may go goes there.
  const std::vector<float> matters = {100, 200, 300, 400}, less = {1, 2, 3, 4};
  SelectionOptions options{.remove = 0.25, .global = true, .multiple = 1, .min_keep = 0.25};
  EXPECT_EQ(select_neurons({matters, less}, options), (Kept{{0, 1, 2, 3}, {2, 3}}));
  options.remove = 0.5;
  EXPECT_EQ(select_neurons({matters, less}, options), (Kept{{1, 2, 3}, {3}})) << "the floor holds";
}

TEST(SelectNeurons, WhatANeuronCostsCounts) {
  const std::vector<float> dear = {4, 4, 4, 4}, cheap = {2, 2, 2, 2};
  SelectionOptions options{.remove = 0.25, .global = true, .multiple = 1, .min_keep = 0.25};
  EXPECT_EQ(select_neurons({dear, cheap}, options), (Kept{{0, 1, 2, 3}, {0, 1}}));
  options.ranking = Ranking::score_per_mac;
  EXPECT_EQ(select_neurons({dear, cheap}, options, {1000, 10}), (Kept{{0, 1}, {0, 1, 2, 3}}));
}

TEST(SelectNeurons, UnevenLayersLoseUnevenly) {
  // Half of the first layer does nothing, all of the second counts alike.
  const Kept kept = select_neurons({{0, 0, 0, 0, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1}},
                                   {.remove = 0.25, .global = true, .multiple = 4, .min_keep = 0.25});
  EXPECT_EQ(kept, (Kept{{4, 5, 6, 7}, {0, 1, 2, 3, 4, 5, 6, 7}}));
  const Kept each = select_neurons({{0, 0, 0, 0, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1}},
                                   {.remove = 0.5, .global = false, .multiple = 4, .min_keep = 0.25});
  EXPECT_EQ(each, (Kept{{4, 5, 6, 7}, {0, 1, 2, 3}})) << "equal scores: the later goes first";
}

TEST(SelectNeurons, KeepsMultiplesAndTheFloor) {
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

TEST(SelectNeurons, NothingAskedNothingTaken) {
  const Kept kept =
      select_neurons({{1, 2, 3}}, {.remove = 0, .global = true, .multiple = 8, .min_keep = 0.25});
  EXPECT_EQ(kept, (Kept{{0, 1, 2}}));
}

TEST(SelectNeurons, ALayerThatDoesNothingKeepsItsFloor) {
  const Kept kept = select_neurons({std::vector<float>(16, 0.0f)},
                                   {.remove = 0.9, .global = true, .multiple = 4, .min_keep = 0.01});
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0], (std::vector<std::int64_t>{0, 1, 2, 3}));
}

}  // namespace
}  // namespace edgeclip
