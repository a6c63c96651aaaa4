#include "train/losses/triplet_alignment.h"

#include "train/losses/golden_loss.h"

namespace edgeclip {
namespace {

TEST(TripletAlignmentLoss, GoldenValueAndGradients) {
  for (const char* name : {"triplet_alignment", "triplet_alignment_near"}) {
    SCOPED_TRACE(name);
    test::check_golden_loss(test::golden(std::string("losses/") + name + ".safetensors"), {"image", "text"},
                            [](test::Leaves& in) {
                              return triplet_alignment_loss(test::unit(in["image"]), test::unit(in["text"]), in["pids"],
                                                            0.1, 0.015);
                            });
  }
}

TEST(TripletAlignmentLoss, IsZeroBeyondTheMargin) {
  const torch::Tensor rows = torch::eye(4);
  const torch::Tensor ids = torch::tensor(std::vector<std::int64_t>{1, 2, 3, 4}, torch::kInt64);
  EXPECT_EQ(triplet_alignment_loss(rows, rows, ids, 0.1, 0.015).item<double>(), 0);
  EXPECT_GT(triplet_alignment_loss(rows, rows.flip(0), ids, 0.1, 0.015).item<double>(), 1);
}

TEST(TripletAlignmentLoss, OnePersonAloneGivesZerosAndNoNan) {
  torch::manual_seed(4);
  const torch::Tensor image = torch::randn({3, 4}).requires_grad_(true);
  const torch::Tensor ids = torch::tensor(std::vector<std::int64_t>{7, 7, 7}, torch::kInt64);
  const torch::Tensor loss = triplet_alignment_loss(test::unit(image), test::unit(torch::randn({3, 4})), ids, 0.1, 0.015);
  EXPECT_EQ(loss.item<double>(), 0);
  loss.backward();
  EXPECT_EQ(image.grad().abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace edgeclip
