#include "train/checkpoint_encoder.h"

#include <thread>

#include "train/tiny_clip.h"

namespace edgeclip {
namespace {

Checkpoint random_checkpoint() {
  torch::manual_seed(2);
  Checkpoint checkpoint;
  checkpoint.config = test::tiny_clip_config();
  checkpoint.model = DualEncoder(checkpoint.config);
  initialize_weights(checkpoint.model);
  checkpoint.card = card_of(checkpoint.model, {});
  return checkpoint;
}

Tensor random_tokens(std::int64_t rows) {
  torch::Tensor tokens = torch::randint(1, 500, {rows, 7}, torch::kInt32);
  tokens.select(1, 6).fill_(511);
  return to_tensor(tokens);
}

TEST(CheckpointEncoder, UnitRowsWhateverTheBatch) {
  const Checkpoint checkpoint = random_checkpoint();
  CheckpointEncoder whole(checkpoint, 64), pieces(checkpoint, 3);
  const Tensor pixels = to_tensor(torch::randn({7, 3, 32, 32})), tokens = random_tokens(7);
  for (const bool image : {true, false}) {
    const auto encode = [&](CheckpointEncoder& encoder) {
      return from_tensor(
          (image ? encoder.encode_images(pixels.view()) : encoder.encode_tokens(tokens.view())).view());
    };
    const torch::Tensor a = encode(whole), b = encode(pieces);
    ASSERT_EQ(a.sizes(), (std::vector<std::int64_t>{7, 32}));
    EXPECT_LE((a.norm(2, 1) - 1).abs().max().item<double>(), 1e-5);
    EXPECT_LE((a - b).abs().max().item<double>(), 1e-5);
  }
}

TEST(CheckpointEncoder, NothingGivesNothing) {
  CheckpointEncoder encoder(random_checkpoint());
  EXPECT_EQ(encoder.encode_images(Tensor(DType::f32, {0, 3, 32, 32}).view()).shape(), (Shape{0, 32}));
  EXPECT_EQ(encoder.encode_tokens(Tensor(DType::i32, {0, 5}).view()).shape(), (Shape{0, 32}));
}

TEST(CheckpointEncoder, LeavesTheModelsMode) {
  Checkpoint checkpoint = random_checkpoint();
  CheckpointEncoder encoder(checkpoint);
  checkpoint.model->train();
  encoder.encode_tokens(random_tokens(2).view());
  EXPECT_TRUE(checkpoint.model->is_training());
}

TEST(CheckpointEncoder, RefusesWhatTheModelCannotTake) {
  CheckpointEncoder encoder(random_checkpoint());
  const auto images = [&](const Tensor& t) {
    return test::invalid_input_of([&] { encoder.encode_images(t.view()); });
  };
  EXPECT_NE(images(Tensor(DType::f32, {1, 3, 16, 32})).find("(B, 3, 32, 32)"), std::string::npos);
  EXPECT_NE(images(Tensor(DType::u8, {1, 3, 32, 32})), "");
  const auto tokens = [&](const Tensor& t) {
    return test::invalid_input_of([&] { encoder.encode_tokens(t.view()); });
  };
  EXPECT_NE(tokens(Tensor(DType::i32, {1, 17})), "");
  EXPECT_NE(tokens(Tensor(DType::i64, {1, 8})), "");
  EXPECT_NE(tokens(Tensor::from<std::int32_t>({1, 2}, {3, 512})).find("512"), std::string::npos);
  EXPECT_NE(tokens(Tensor::from<std::int32_t>({1, 2}, {-1, 511})), "");
}

TEST(CheckpointEncoder, SeveralThreadsGetTheSame) {
  CheckpointEncoder encoder(random_checkpoint());
  const Tensor tokens = random_tokens(3);
  const torch::Tensor expected = from_tensor(encoder.encode_tokens(tokens.view()).view());
  std::vector<torch::Tensor> found(4);
  std::vector<std::thread> threads;
  for (auto& slot : found)
    threads.emplace_back([&] { slot = from_tensor(encoder.encode_tokens(tokens.view()).view()); });
  for (auto& thread : threads) thread.join();
  for (const auto& t : found) EXPECT_LE((t - expected).abs().max().item<double>(), 1e-6);
}

TEST(CheckpointEncoder, HashFollowsTheWeights) {
  Checkpoint checkpoint = random_checkpoint();
  CheckpointEncoder encoder(checkpoint);
  const std::string before = encoder.model_hash();
  EXPECT_EQ(before, encoder.model_hash());
  const torch::NoGradGuard no_grad;
  checkpoint.model->text_projection.linear->weight.add_(0.01);
  EXPECT_NE(before, encoder.model_hash());
}

}  // namespace
}  // namespace edgeclip
