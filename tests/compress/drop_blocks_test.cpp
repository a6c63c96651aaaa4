#include "compress/drop_blocks.h"

#include "compress/every_network.h"
#include "support/support.h"

namespace edgeclip {
namespace {

using namespace test;

TEST(DropBlocks, TheBlockThatDoesLeastGoesFirst) {
  Checkpoint checkpoint = kNetworks[0].checkpoint();
  const Batch batch = random_batch(checkpoint.config);
  {
    const torch::NoGradGuard no_grad;
    for (auto& item : checkpoint.model->named_parameters())
      for (const char* last : {".layers.1.self_attn.out_proj.", ".layers.1.mlp.fc2."})
        if (item.key().find("vision_model") == 0 && item.key().find(last) != std::string::npos) item.value().mul_(1e-3);
  }
  const torch::Tensor before = embeddings(checkpoint, batch);
  const auto distance = [&](const Checkpoint& candidate) {
    return (embeddings(candidate, batch) - before).square().sum().item<double>();
  };
  const auto dropped = drop_blocks(checkpoint, 2, distance, "blocks");
  ASSERT_EQ(dropped.size(), 2u);
  EXPECT_EQ(dropped[0].name, "vision_model.encoder.layers.1");
  EXPECT_LT(dropped[0].loss, 1e-3);
  EXPECT_GT(dropped[1].loss, dropped[0].loss);
  EXPECT_EQ(dropped[1].loss, distance(checkpoint)) << "what is left is what was measured";
  EXPECT_EQ(checkpoint.config.vision.num_hidden_layers + checkpoint.config.text.num_hidden_layers, 3);
}

TEST(DropBlocks, RefusesToEmptyATower) {
  Checkpoint checkpoint = kNetworks[0].checkpoint();
  const std::string message =
      invalid_input_of([&] { drop_blocks(checkpoint, 4, [](const Checkpoint&) { return 1.0; }, "blocks"); });
  EXPECT_NE(message.find("blocks"), std::string::npos) << message;
}

TEST(DropBlocks, NeedsALossThatIsANumber) {
  Checkpoint checkpoint = kNetworks[0].checkpoint();
  EXPECT_NE(invalid_input_of([&] { drop_blocks(checkpoint, 1, [](const Checkpoint&) { return std::nan(""); }, "blocks"); }), "");
}

}  // namespace
}  // namespace edgeclip
