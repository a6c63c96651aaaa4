#include "compress/cost.h"

#include "compress/every_network.h"
#include "compress/surgery.h"
#include "model/profile.h"

namespace edgeclip {
namespace {

using namespace test;

class Cost : public testing::TestWithParam<Network> {};

double profiled(const DualEncoder& model, int tokens) {
  const ModelProfile profile = profile_model(model, 1, tokens);
  return static_cast<double>(profile.image_macs + profile.text_macs);
}

TEST_P(Cost, IsWhatTheCutNetworkIsProfiledAs) {
  const Checkpoint checkpoint = GetParam().checkpoint();
  for (const int tokens : {3, 7}) {
    const auto groups = prune_groups(checkpoint.model, tokens);
    const PassCost cost(checkpoint.model, groups, tokens);
    EXPECT_DOUBLE_EQ(cost.macs(cost.all_units()), profiled(checkpoint.model, tokens));
    const KeptUnits kept = some_units(groups);
    std::vector<std::int64_t> counts;
    for (const auto& units : kept) counts.push_back(static_cast<std::int64_t>(units.size()));
    EXPECT_NEAR(cost.macs(counts), profiled(with_units(checkpoint, groups, kept).model, tokens), 0.5);
  }
}

TEST_P(Cost, SavedIsTheDifference) {
  const Checkpoint checkpoint = GetParam().checkpoint();
  const auto groups = prune_groups(checkpoint.model, 7);
  const PassCost cost(checkpoint.model, groups, 7);
  std::vector<std::int64_t> kept = cost.all_units();
  for (std::size_t g = 0; g < groups.size(); ++g) {
    std::vector<std::int64_t> less = kept;
    less[g] -= 1;
    EXPECT_NEAR(cost.saved(kept, g, 1), cost.macs(kept) - cost.macs(less), 0.5) << groups[g].name;
    EXPECT_GT(cost.saved(kept, g, 1), 0) << groups[g].name;
    kept = less;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Cost, testing::ValuesIn(kNetworks), network_name);

TEST(Cost, GroupsThatAreLeftOutStayWhole) {
  const Checkpoint checkpoint = kNetworks[0].checkpoint();
  std::vector<PruneGroup> heads;
  for (PruneGroup& group : prune_groups(checkpoint.model, 7))
    if (group.kind == PruneKind::heads) heads.push_back(std::move(group));
  const PassCost cost(checkpoint.model, heads, 7);
  EXPECT_DOUBLE_EQ(cost.macs(cost.all_units()), profiled(checkpoint.model, 7));
}

}  // namespace
}  // namespace edgeclip
