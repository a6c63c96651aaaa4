#include "cli/workshop/deployed_latency.h"

#include "data/text/tokenizer.h"
#include "support/support.h"

namespace edgeclip {
namespace {

TEST(DeployedLatency, IsMeasuredAndLeavesNothing) {
  Checkpoint checkpoint;
  checkpoint.tokenizer = train_tokenizer({"A man in a red coat.", "A woman in a blue coat.", "A boy with a bag."}, 40);
  checkpoint.config.vision.hidden_size = checkpoint.config.text.hidden_size = 32;
  checkpoint.config.vision.num_attention_heads = checkpoint.config.text.num_attention_heads = 2;
  checkpoint.config.vision.layer_heads = {1, 2, 2, 2, 2, 2};
  checkpoint.config.vision.intermediate_size = checkpoint.config.text.intermediate_size = {40};
  checkpoint.config.text.vocab_size = checkpoint.tokenizer->vocab_size();
  checkpoint.model = DualEncoder(checkpoint.config);
  initialize_weights(checkpoint.model);
  const test::TempDir dir;
  EXPECT_GT(deployed_latency_ms(checkpoint, 9, dir / "scratch"), 0);
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

}  // namespace
}  // namespace edgeclip
