#include "train/quantization_aware.h"

#include <sstream>
#include <thread>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include "base/file.h"
#include "support/support.h"
#include "train/gradient_step.h"
#include "train/interrupt_after.h"
#include "train/start.h"
#include "train/tiny_training.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

class QuantizationAwareRun : public test::TinyTraining {
 protected:
  static TrainOptions int8_options() {
    TrainOptions options = test::tiny_train_options();
    options.epochs = 4;
    options.quantization_aware.enabled = true;
    options.quantization_aware.start = 0.25;
    options.quantization_aware.momentum = 0.9;
    return options;
  }
  static std::vector<Json> logged(const std::string& run, const char* key) {
    std::vector<Json> values;
    std::istringstream lines(read_file(at(run) / "metrics.jsonl"));
    for (std::string line; std::getline(lines, line);)
      if (const Json json = Json::parse(line); json.contains(key)) values.push_back(json[key]);
    return values;
  }
  static std::string hash_of(const std::string& checkpoint) { return weights_hash(load_checkpoint(at(checkpoint)).model); }
  static std::map<std::string, std::pair<double, double>> ranges_of(const std::string& checkpoint) {
    std::map<std::string, std::pair<double, double>> ranges;
    const Checkpoint loaded = load_checkpoint(at(checkpoint));
    EXPECT_TRUE(has_own_ranges(loaded)) << checkpoint;
    if (loaded.ranges)
      for (const auto& [name, range] : loaded.ranges->layers) ranges[name] = {range.low, range.high};
    return ranges;
  }
};

TEST_F(QuantizationAwareRun, ObservingChangesNoBit) {
  TrainOptions options = int8_options();
  options.epochs = 2;
  options.quantization_aware.start = 0.999;  // behind the last step
  options.quantization_aware.freeze = 1;
  train(options, paths("observed"));
  options.quantization_aware = {};
  train(options, paths("plain"));
  EXPECT_EQ(hash_of("observed/final"), hash_of("plain/final"));
  EXPECT_EQ(logged("observed", "grad_norm"), logged("plain", "grad_norm"));
  // What is validated is what int8 will give, from the beginning.
  EXPECT_NE(logged("observed", "val"), logged("plain", "val"));
  EXPECT_FALSE(load_checkpoint(at("plain/final")).ranges);
  EXPECT_EQ(ranges_of("observed/final").size(), 24u) << "six layers in each of four blocks";
}

TEST_F(QuantizationAwareRun, GoesOnExactly) {
  TrainOptions options = int8_options();
  options.average.decay = 0.9;
  train(options, paths("whole"));
  {
    const test::InterruptAfter interrupt(at("broken") / "metrics.jsonl", 6);
    EXPECT_THROW(train(options, paths("broken")), Interrupted);
  }
  train(options, paths("broken", "", true));
  EXPECT_EQ(logged("broken", "loss"), logged("whole", "loss"));
  EXPECT_EQ(logged("broken", "grad_norm"), logged("whole", "grad_norm"));
  EXPECT_EQ(hash_of("broken/final"), hash_of("whole/final"));
  EXPECT_EQ(ranges_of("broken/final"), ranges_of("whole/final"));
  EXPECT_EQ(ranges_of("broken/best"), ranges_of("whole/best"));
  // It rounded, and ranges stayed at the end of the run.
  options.quantization_aware = {};
  train(options, paths("plain_average"));
  EXPECT_NE(hash_of("plain_average/final"), hash_of("whole/final"));
}

TEST_F(QuantizationAwareRun, FrozenRangesStay) {
  TrainOptions options = int8_options();
  options.saving.keep = 16;
  options.saving.every_steps = 1;
  options.quantization_aware.freeze = 0.5;
  train(options, paths("frozen"));
  const auto at_step = [&](int step) { return ranges_of(fmt::format("frozen/checkpoints/step_{:08}", step)); };
  EXPECT_NE(at_step(7), at_step(8));
  EXPECT_EQ(at_step(8), at_step(9));
  EXPECT_EQ(at_step(8), at_step(15));
}

TEST_F(QuantizationAwareRun, WorksWithWhatElseATrainingCanBe) {
  TrainOptions first = test::tiny_train_options();
  first.epochs = 1;
  train(first, paths("first"));
  const auto run = [&](const std::string& name, const std::function<void(TrainOptions&)>& change) {
    SCOPED_TRACE(name);
    TrainOptions options = int8_options();
    options.epochs = 1;
    change(options);
    train(options, paths(name, "first/best"));
    EXPECT_FALSE(ranges_of(name + "/final").empty());
  };
  run("adapter", [](TrainOptions& options) {
    options.lora_mode = "adapter";
    options.base_type = "bf16";
    options.quantization_aware.weight_bits = 7;
  });
  EXPECT_EQ(load_checkpoint(at("adapter/final")).ranges->weight_bits, 7);
  run("bf16", [](TrainOptions& options) { options.precision = "bf16"; });
  run("merging", [](TrainOptions& options) { options.model.vision.token_merging = {1, 0}; });
  run("distilled", [](TrainOptions& options) {
    options.losses.distillation.teacher = at("first/best").string();
    options.losses.distillation.weight = 0.5;
    options.gradient_checkpointing = true;
    options.keep_zeros = true;
  });
  // Who trains on without it has no ranges any more.
  TrainOptions options = test::tiny_train_options();
  options.epochs = 1;
  train(options, paths("forgets", "bf16/final"));
  EXPECT_FALSE(load_checkpoint(at("forgets/final")).ranges);
}

TEST_F(QuantizationAwareRun, RefusesWhatCannotBe) {
  const auto refused = [&](const std::function<void(TrainOptions&)>& change, const std::string& expected) {
    TrainOptions options = int8_options();
    change(options);
    const std::string message = test::invalid_input_of([&] { train(options, paths("refused")); });
    EXPECT_NE(message.find(expected), std::string::npos) << message;
  };
  refused([](TrainOptions& o) { o.quantization_aware.enabled = false; }, "has no effect while quantization_aware.enabled is false");
  refused([](TrainOptions& o) { o.quantization_aware.weight_bits = 4; }, "quantization_aware.weight_bits: must be 7 or 8");
  refused([](TrainOptions& o) { o.quantization_aware.momentum = 1; }, "quantization_aware.momentum");
  refused([](TrainOptions& o) { o.quantization_aware.start = 0.9; }, "quantization_aware.freeze");
  refused([](TrainOptions& o) { o.quantization_aware.exclude = {"fc3"}; }, "quantization_aware.exclude: \"fc3\" is in the name of no weights");
  refused(
      [](TrainOptions& o) {
        o.lora_mode = "adapter";
        o.lora.dropout = 0.1;
      },
      "lora.dropout: what is rounded");
}

/// Parts of a batch round by the same ranges, in both passes, and move them as the whole batch does.
TEST_F(QuantizationAwareRun, PartsOfABatchAreTheWhole) {
  const Dataset dataset = open_dataset(at("data"));
  TrainOptions options = test::tiny_train_options();
  options.image.height = 32;
  options.image.width = 16;
  LoaderOptions loading;
  loading.batch = 8;
  Loader loader(dataset, options.image, loading);
  loader.start_epoch(0);
  const Batch first = *loader.next(), second = *loader.next();
  struct Result {
    double loss = 0;
    torch::Tensor ranges, gradient;
  };
  const auto run = [&](int micro_batch) {
    torch::manual_seed(5);
    Checkpoint checkpoint = new_checkpoint(options, dataset);
    checkpoint.model->train();
    Objective objective(options.losses, LossContext{checkpoint, dataset, "train"});
    Ranks alone;
    QuantizationAwareOptions how = int8_options().quantization_aware;
    how.start = 0;
    QuantizationAware quantization(how, checkpoint.model, dataset, 10, alone);
    GradientStep step(checkpoint.model, objective, /*bf16=*/false, micro_batch, alone);
    Result result;
    for (const std::int64_t k : {0, 1}) {
      checkpoint.model->zero_grad();
      quantization.begin_step(k);
      result.loss = step(k == 0 ? first : second).total.item<double>();
      quantization.end_step(true);
    }
    quantization.describe(checkpoint);
    std::vector<double> bounds;
    for (const auto& [name, range] : checkpoint.ranges->layers) bounds.insert(bounds.end(), {range.low, range.high});
    result.ranges = torch::tensor(bounds, torch::kDouble);
    std::vector<torch::Tensor> gradients;
    for (const auto& parameter : checkpoint.model->parameters())
      if (parameter.grad().defined()) gradients.push_back(parameter.grad().flatten());
    result.gradient = torch::cat(gradients);
    return result;
  };
  const Result whole = run(0), parts = run(3);
  EXPECT_NEAR(whole.loss, parts.loss, 1e-3);
  EXPECT_LT((whole.ranges - parts.ranges).abs().max().item<double>(), 2e-2);
  // Products of other sizes differ in their last bits, and what then falls on the other side of a half is a step away.
  EXPECT_GT(torch::cosine_similarity(whole.gradient, parts.gradient, 0).item<double>(), 0.99);
}

TEST_F(QuantizationAwareRun, AllRanksHaveTheSameRanges) {
  const Dataset dataset = open_dataset(at("data"));
  TrainOptions options = test::tiny_train_options();
  options.model.text.vocab_size = 60;
  const auto store = c10::make_intrusive<c10d::HashStore>();
  std::vector<QuantizationRanges> ranges(3);
  std::vector<std::thread> threads;
  const auto learn = [&](Ranks& ranks, const std::vector<int>& brightnesses) {
    DualEncoder model(options.model);
    QuantizationAware quantization(int8_options().quantization_aware, model, dataset, 10, ranks);
    const torch::NoGradGuard no_grad;
    quantization.begin_step(0);
    for (auto& parameter : model->parameters()) parameter.fill_(0.01);
    for (const int brightness : brightnesses) model->encode_image(torch::full({1, 3, 32, 16}, brightness, torch::kFloat));
    model->encode_text(torch::ones({1, 5}, torch::kInt64));
    quantization.end_step(true);
    Checkpoint checkpoint;
    checkpoint.model = model;
    quantization.describe(checkpoint);
    return checkpoint.ranges.value();
  };
  for (int rank = 0; rank < 2; ++rank)
    threads.emplace_back([&, rank] {
      Ranks ranks(store, rank, 2);
      ranges[static_cast<std::size_t>(rank)] = learn(ranks, {rank == 0 ? -3 : 5});
    });
  for (auto& thread : threads) thread.join();
  Ranks alone;
  ranges[2] = learn(alone, {-3, 5});
  for (const auto& [name, range] : ranges[2].layers)
    for (const std::size_t rank : {0, 1}) {
      EXPECT_EQ(ranges[rank].layers.at(name).low, range.low) << name;
      EXPECT_EQ(ranges[rank].layers.at(name).high, range.high) << name;
    }
}

}  // namespace
}  // namespace edgeclip
