#include "train/losses/sdm.h"

#include "train/losses/golden_loss.h"

namespace edgeclip {
namespace {

TEST(SdmGolden, ValueAndGradients) {
  for (const char* name : {"sdm", "sdm_aligned"}) {
    SCOPED_TRACE(name);
    EDGECLIP_REQUIRE_PARITY(path, std::string("losses/") + name + ".safetensors");
    test::check_golden_loss(path, {"image", "text"}, [](test::Leaves& in) {
      return sdm_loss(test::unit(in["image"]), test::unit(in["text"]), in["pids"], 0.02, 1e-8);
    });
  }
}

TEST(SdmLoss, IsZeroWhereSimilaritiesAreTheLabels) {
  // Two persons with two pairs each: rows of softmax(50 z) are 1/2, 1/2, 0, 0.
  const torch::Tensor rows = torch::eye(2).repeat_interleave(2, 0);
  const torch::Tensor ids = torch::tensor(std::vector<std::int64_t>{5, 5, 9, 9}, torch::kInt64);
  EXPECT_NEAR(sdm_loss(rows, rows, ids, 0.02, 1e-8).item<double>(), 0.0, 1e-5);
}

}  // namespace
}  // namespace edgeclip
