#include "model/ops/token_merge.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/safetensors.h"
#include "model/tensors.h"
#include "support/support.h"

namespace edgeclip::ops {
namespace {

torch::Tensor read(const SafetensorsFile& file, const std::string& name) { return from_tensor(file.get(name).view()); }

Sequences with_sizes(const torch::Tensor& sizes) {
  Sequences s = Sequences::equal(sizes.size(0), sizes.size(1));
  s.sizes = sizes.flatten();
  return s;
}

TEST(MergeTokens, EqualsThePaperAndItsGradient) {
  for (const auto& [name, merged, heads] : {std::tuple{"odd", 3, 2}, {"even", 6, 3}, {"most", 16, 1}}) {
    SCOPED_TRACE(name);
    const SafetensorsFile golden(test::golden(std::string("token_merge/") + name + ".safetensors"));
    const torch::Tensor x = read(golden, "x").flatten(0, 1).requires_grad_(true),
                        keys = read(golden, "keys").flatten(0, 1).requires_grad_(true), y = read(golden, "y");
    const auto [rows, left] = merge_tokens(x, keys, heads, with_sizes(read(golden, "sizes")), merged);
    EXPECT_EQ(left.count(), y.size(0));
    EXPECT_EQ(left.longest(), y.size(1));
    EXPECT_TRUE(torch::allclose(rows, y.flatten(0, 1), 1e-5, 1e-5));
    EXPECT_TRUE(torch::equal(left.sizes, read(golden, "merged_sizes").flatten()));
    EXPECT_FALSE(left.sizes.requires_grad());
    rows.backward(read(golden, "upstream").flatten(0, 1));
    EXPECT_TRUE(torch::allclose(x.grad(), read(golden, "grad.x").flatten(0, 1), 1e-5, 1e-5));
    EXPECT_FALSE(keys.grad().defined());
  }
}

TEST(MergeTokens, OfEqualTokensTheFirstTargetIsTakenByThoseBehind) {
  const torch::Tensor x = torch::arange(1, 7).to(torch::kFloat).unsqueeze(1), keys = torch::ones({6, 1});
  const auto [rows, left] = merge_tokens(x, keys, 1, Sequences::equal(1, 6), 1);
  EXPECT_TRUE(torch::equal(rows.flatten(), torch::tensor({1.F, 3.F, 3.5F, 4.F, 6.F})));
  EXPECT_TRUE(torch::equal(left.sizes, torch::tensor({1.F, 1.F, 2.F, 1.F, 1.F})));
}

TEST(MergeTokens, SaysHowNearItsDecisionsWere) {
  const torch::Tensor x = torch::zeros({2 * 6, 1});
  // Unit keys by their angle: source 2 is 0.1 from target 1 and 0.3 from 3, source 4 is 0.2 from 5 and 0.4 from 3; the
  // second image has them a fifth as far apart.
  const torch::Tensor angles = torch::tensor({3.F, 1.F, 1.1F, 1.4F, 1.8F, 2.F}), all = torch::cat({angles, angles / 5});
  const torch::Tensor keys = torch::stack({all.cos(), all.sin()}, 1);
  MergeMargins margins;
  merge_tokens(x, keys, 1, Sequences::equal(2, 6), 1);
  ASSERT_EQ(margins.least.numel(), 2);
  EXPECT_NEAR(margins.least[0].item<float>(), std::cos(0.1) - std::cos(0.2), 1e-6);
  EXPECT_NEAR(margins.least[1].item<float>(), std::cos(0.02) - std::cos(0.04), 1e-6);
  {
    MergeMargins inner;
    merge_tokens(x, keys, 1, Sequences::equal(2, 6), 2);
    EXPECT_NEAR(inner.least[0].item<float>(), std::cos(0.1) - std::cos(0.3), 1e-6);
  }
  EXPECT_NEAR(margins.least[0].item<float>(), std::cos(0.1) - std::cos(0.2), 1e-6);
}

TEST(MergeTokens, KeysOf16Bits) {
  torch::manual_seed(1);
  const torch::Tensor x = torch::randn({2 * 9, 4}), keys = torch::randn({2 * 9, 6}).to(torch::kBFloat16);
  const auto narrow = merge_tokens(x, keys, 2, Sequences::equal(2, 9), 3),
             wide = merge_tokens(x, keys.to(torch::kFloat), 2, Sequences::equal(2, 9), 3);
  EXPECT_TRUE(torch::equal(narrow.first, wide.first));
}

TEST(MergeTokens, NoImages) {
  const auto [rows, left] = merge_tokens(torch::empty({0, 4}), torch::empty({0, 4}), 2, Sequences::equal(0, 9), 3);
  EXPECT_EQ(rows.size(0), 0);
  EXPECT_EQ(left.count(), 0);
}

}  // namespace
}  // namespace edgeclip::ops
