#include "train/losses/teacher_memory.h"

#include <thread>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include "data/dataset/loader.h"
#include "support/support.h"
#include "train/losses/teacher.h"
#include "train/start.h"
#include "train/tiny_training.h"
#include "train/trainer.h"

namespace edgeclip {
namespace {

class TeacherMemoryTest : public test::TinyTraining {
 protected:
  static void SetUpTestSuite() {
    TinyTraining::SetUpTestSuite();
    TrainOptions options = test::tiny_train_options();
    options.epochs = 1;
    options.model.projection_dim = 24;
    train(options, paths("teacher"));
  }
  TeacherMemoryTest() : dataset_(open_dataset(at("data"))), student_(load_checkpoint(at("teacher/best"))) {
    loading_.batch = 12;
  }
  TeacherMemoryPlan plan(std::int64_t rows, bool hidden = false, int cache_mb = 64) const {
    return teacher_memory_plan(dataset_, loading_, student_.config, rows, hidden, cache_mb);
  }
  Teacher teacher() const { return {at("teacher/best").string(), student_, dataset_, ""}; }

  const Dataset dataset_;
  const Checkpoint student_;  ///< of the teacher's own kind
  LoaderOptions loading_;
};

TEST_F(TeacherMemoryTest, KeepsWhatIsSeenTwiceAndNeverChanged) {
  const std::int64_t images = 48, captions = 48, width = 24 * 4;
  TeacherMemoryPlan both = plan(2 * images);
  EXPECT_TRUE(both.images && both.captions);
  EXPECT_EQ(both.bytes, (images + captions) * width);
  EXPECT_EQ(plan(2 * images, /*hidden=*/true).bytes, (images + captions) * (width + 32 * 4));
  EXPECT_FALSE(plan(2 * images - 1).keeps());
  EXPECT_FALSE(plan(1000, false, /*cache_mb=*/0).keeps());
  loading_.augment.flip.probability = 0.5;
  EXPECT_TRUE(plan(1000).captions);
  EXPECT_FALSE(plan(1000).images);
  loading_.augment.tokens.drop = 0.1;
  EXPECT_FALSE(plan(1000).keeps());
}

TEST_F(TeacherMemoryTest, SaysWhatTheTeacherSaysWhateverTheBatch) {
  Teacher fresh = teacher(), remembering = teacher();
  Ranks alone;
  remembering.remember(plan(1000, /*hidden=*/true), dataset_, student_.card.image, loading_, torch::kCPU, ComputeType::f32, alone);
  Loader loader(dataset_, student_.card.image, loading_);
  loader.start_epoch(0);
  const Inputs inputs = inputs_of(*loader.next(), torch::kCPU);
  const TeacherOutput expected = fresh.see(inputs, ComputeType::f32), whole = remembering.see(inputs, ComputeType::f32);
  for (const auto& [said, wanted] :
       {std::pair(whole.image, expected.image), std::pair(whole.text, expected.text), std::pair(whole.image_hidden, expected.image_hidden),
        std::pair(whole.text_hidden, expected.text_hidden)})
    EXPECT_LT((said - wanted).abs().max().item<double>(), 1e-5);

  Inputs one = inputs;
  const auto row = [](torch::Tensor& tensor) { tensor = tensor.slice(0, 3, 4); };
  for (torch::Tensor* const tensor : {&one.pixels, &one.tokens, &one.ids, &one.pairs, &one.unchanged_images, &one.unchanged_captions}) row(*tensor);
  const TeacherOutput alone_in_batch = remembering.see(one, ComputeType::f32);
  EXPECT_TRUE(torch::equal(alone_in_batch.text, whole.text.slice(0, 3, 4)));
  EXPECT_TRUE(torch::equal(alone_in_batch.image, whole.image.slice(0, 3, 4)));

  // What is changed is looked at, beside what is not.
  Inputs changed = inputs;
  changed.unchanged_captions = inputs.unchanged_captions.clone();
  changed.tokens = inputs.tokens.clone();
  changed.unchanged_captions[2] = -1;
  changed.tokens[2] = inputs.tokens[5];
  const TeacherOutput mixed = remembering.see(changed, ComputeType::f32);
  EXPECT_LT((mixed.text[2] - expected.text[5]).abs().max().item<double>(), 1e-5);
  EXPECT_TRUE(torch::equal(mixed.text.slice(0, 3), whole.text.slice(0, 3)));
}

TEST_F(TeacherMemoryTest, WithoutStatesGivesNoneAtAll) {
  Teacher remembering = teacher();
  Ranks alone;
  remembering.remember(plan(1000), dataset_, student_.card.image, loading_, torch::kCPU, ComputeType::f32, alone);
  Loader loader(dataset_, student_.card.image, loading_);
  loader.start_epoch(0);
  Inputs inputs = inputs_of(*loader.next(), torch::kCPU);
  EXPECT_FALSE(remembering.see(inputs, ComputeType::f32).text_hidden.defined());
  inputs.unchanged_captions.fill_(-1);
  EXPECT_FALSE(remembering.see(inputs, ComputeType::f32).text_hidden.defined());
}

TEST_F(TeacherMemoryTest, IsTheSameForAnyNumberOfRanks) {
  Checkpoint teacher = load_checkpoint(at("teacher/best"));
  Ranks alone;
  const auto remember = [&](Ranks& ranks) {
    DualEncoder model = load_checkpoint(at("teacher/best")).model;
    return remember_teacher(model, ComputeType::f32, plan(1000), dataset_, teacher.card.image, loading_, ranks);
  };
  const TeacherMemory expected = remember(alone);
  const auto store = c10::make_intrusive<c10d::HashStore>();
  std::vector<TeacherMemory> found(2);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 2; ++rank)  // there is one batch: one of them has none
    threads.emplace_back([&, rank] {
      Ranks ranks(store, rank, 2);
      found[static_cast<std::size_t>(rank)] = remember(ranks);
    });
  for (auto& thread : threads) thread.join();
  for (const TeacherMemory& memory : found) {
    EXPECT_TRUE(torch::equal(memory.captions.unit, expected.captions.unit));
    EXPECT_TRUE(torch::equal(memory.captions.place, expected.captions.place));
    EXPECT_TRUE(torch::equal(memory.images.unit, expected.images.unit));
    EXPECT_TRUE(torch::equal(memory.images.place, expected.images.place));
  }
}

TEST_F(TeacherMemoryTest, ATrainingLearnsTheSame) {
  TrainOptions options = test::tiny_train_options();
  options.epochs = 3;
  options.augment.flip.probability = 0;
  options.micro_batch = 5;
  options.losses.distillation.teacher = at("teacher/best").string();
  options.losses.distillation.weight = options.losses.distillation.embeddings.weight = 0.5;
  const Json with = train(options, paths("with"));
  EXPECT_GT(with["memory"]["teacher_mb"].get<double>(), 0);
  options.losses.distillation.cache_mb = 0;
  const Json without = train(options, paths("without"));
  EXPECT_EQ(without["memory"]["teacher_mb"].get<double>(), 0);
  EXPECT_NEAR(with["loss"].get<double>(), without["loss"].get<double>(), 1e-3);
}

}  // namespace
}  // namespace edgeclip
