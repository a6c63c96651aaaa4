#include "train/trainer.h"

#include <atomic>
#include <chrono>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "base/file.h"
#include "base/signals.h"
#include "base/threads.h"
#include "support/support.h"
#include "train/interrupt_after.h"
#include "train/start.h"
#include "train/tiny_training.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

std::vector<Json> lines_of(const fs::path& file) {
  std::vector<Json> out;
  std::istringstream text(read_file(file));
  for (std::string line; std::getline(text, line);) out.push_back(Json::parse(line));
  return out;
}

/// loss by step, of training lines.
std::map<std::int64_t, double> losses_of(const fs::path& run) {
  std::map<std::int64_t, double> losses;
  for (const Json& line : lines_of(run / "metrics.jsonl"))
    if (line.contains("loss")) losses[line["step"].get<std::int64_t>()] = line["loss"].get<double>();
  return losses;
}

class TrainTest : public test::TinyTraining {};

TEST_F(TrainTest, LearnsToTellPeopleApart) {
  TrainOptions options = test::tiny_train_options();
  options.epochs = 30;
  const Json report = train(options, paths("learn"));
  EXPECT_EQ(report["steps"], 30 * 4);
  EXPECT_GT(report["val"]["text_to_image"]["R@1"].get<double>(), 10 * 100.0 / 24) << report.dump();

  const std::vector<Json> lines = lines_of(at("learn") / "metrics.jsonl");
  EXPECT_LT(losses_of(at("learn"))[120], 0.7 * losses_of(at("learn"))[1]);
  int validations = 0;
  for (const Json& line : lines) validations += line.contains("val");
  EXPECT_EQ(validations, 30);
  for (const char* key : {"step", "epoch", "lr", "loss", "grad_norm", "logit_scale", "images_per_s"})
    EXPECT_TRUE(lines.front().contains(key)) << key;
  for (const char* key : {"loss", "text_to_image", "image_to_text"})
    EXPECT_TRUE(lines.back()["val"].contains(key)) << key;

  std::string events;
  for (const auto& entry : std::filesystem::directory_iterator(at("learn") / "tensorboard"))
    events += read_file(entry.path());
  for (const char* tag : {"train/loss", "train/lr", "val/text_to_image/R@1", "grad_norm/vision_model.encoder.layers.1"})
    EXPECT_NE(events.find(tag), std::string::npos) << tag;

  for (const char* name : {"best", "final"}) {
    const Checkpoint checkpoint = load_checkpoint(at("learn") / name);
    EXPECT_EQ(checkpoint.config.text.vocab_size, checkpoint.tokenizer->vocab_size());
    EXPECT_EQ(checkpoint.card.image.height, 32);
    EXPECT_EQ(checkpoint.provenance.size(), 1u);
  }
  EXPECT_EQ(read_json(at("learn") / "run.json")["options"]["batch"], 12);
}

TEST_F(TrainTest, SameSeedSameLosses) {
  const TrainOptions options = test::tiny_train_options();
  train(options, paths("a"));
  train(options, paths("b"));
  EXPECT_EQ(losses_of(at("a")), losses_of(at("b")));
  TrainOptions other = options;
  other.seed = 4;
  TrainPaths again = paths("b");
  EXPECT_NE(test::invalid_input_of([&] { train(other, again); }).find("--overwrite"), std::string::npos);
  again.overwrite = true;
  again.init = at("b/final");
  other.model = ModelConfig();
  EXPECT_NE(test::invalid_input_of([&] { train(other, again); }).find("would go with it"), std::string::npos);
  TrainOptions taught = other;  // nor may a teacher go
  taught.losses.distillation.weight = 1;
  taught.losses.distillation.teacher = again.init;
  TrainPaths alone = again;
  alone.init.clear();
  EXPECT_NE(test::invalid_input_of([&] { train(taught, alone); }).find("would go with it"), std::string::npos);
  again.init.clear();
  other.model = options.model;
  train(other, again);
  EXPECT_NE(losses_of(at("a")), losses_of(at("b")));
}

TEST_F(TrainTest, InterruptedAndResumedIsAsIfUninterrupted) {
  TrainOptions options = test::tiny_train_options();
  options.epochs = 12;
  const Json whole = train(options, paths("whole"));
  {
    const test::InterruptAfter interrupt(at("broken") / "metrics.jsonl", 7);  // in the middle of an epoch
    EXPECT_THROW(train(options, paths("broken")), Interrupted);
  }
  const auto before = losses_of(at("broken"));
  ASSERT_GE(before.size(), 6u);
  ASSERT_LT(before.size(), 48u);
  EXPECT_NO_THROW(load_checkpoint(at("broken") / "final"));

  const Json resumed = train(options, paths("broken", "", true));
  EXPECT_EQ(losses_of(at("broken")), losses_of(at("whole")));
  EXPECT_EQ(resumed["best"], whole["best"]);
  EXPECT_EQ(weights_hash(load_checkpoint(at("broken") / "final").model),
            weights_hash(load_checkpoint(at("whole") / "final").model));
  EXPECT_EQ(weights_hash(load_checkpoint(at("broken") / "best").model),
            weights_hash(load_checkpoint(at("whole") / "best").model));

  // A finished run has nothing left to do, and says the same again.
  EXPECT_EQ(train(options, paths("broken", "", true))["best"], whole["best"]);
  EXPECT_EQ(losses_of(at("broken")), losses_of(at("whole")));
}

TEST_F(TrainTest, AnObjectivesOwnWeightsAreResumedToo) {
  TrainOptions options = test::tiny_train_options();
  options.losses.identity.weight = 1;
  options.losses.sdm.weight = 0.1;
  train(options, paths("classified"));
  for (const Json& line : lines_of(at("classified") / "metrics.jsonl")) {
    const Json& losses = line.contains("val") ? line["val"]["losses"] : line["losses"];
    EXPECT_EQ(losses.contains("identity"), !line.contains("val")) << line.dump();
    EXPECT_TRUE(losses.contains("sdm") && losses.contains("contrastive")) << line.dump();
  }
  {
    const test::InterruptAfter interrupt(at("classified2") / "metrics.jsonl", 6);
    EXPECT_THROW(train(options, paths("classified2")), Interrupted);
  }
  train(options, paths("classified2", "", true));
  EXPECT_EQ(losses_of(at("classified2")), losses_of(at("classified")));
}

TEST_F(TrainTest, AnUnreadableValidationImageLosesNoEpoch) {
  TrainOptions options = test::tiny_train_options();
  options.epochs = 3;
  options.loading.cache_mb = 0;
  train(options, paths("readable"));
  fs::copy(at("data"), at("unreadable"), fs::copy_options::recursive);
  const fs::path image = at("unreadable") / "crops/03_2.png";  // of split val
  const std::string bytes = read_file(image);
  test::write_text(image, "no picture");
  TrainPaths where = paths("unreadable_run");
  where.data = at("unreadable").string();
  EXPECT_NE(test::invalid_input_of([&] { train(options, where); }).find("03_2.png"), std::string::npos);
  test::write_text(image, bytes);
  where.resume = true;
  train(options, where);
  EXPECT_EQ(losses_of(at("unreadable_run")), losses_of(at("readable")));
  EXPECT_EQ(weights_hash(load_checkpoint(at("unreadable_run") / "best").model),
            weights_hash(load_checkpoint(at("readable") / "best").model));
}

TEST_F(TrainTest, AnUnreadableTrainingImageLosesNoStep) {
  TrainOptions options = test::tiny_train_options();
  options.epochs = 3;
  options.loading.cache_mb = 0;
  options.loading.queue = 1;
  options.loading.threads = 1;
  options.validate_every = 100;
  train(options, paths("whole_images"));
  fs::copy(at("data"), at("torn"), fs::copy_options::recursive);
  const Dataset dataset = open_dataset(at("torn"));
  LoaderOptions order;
  order.batch = options.batch;
  order.seed = options.seed;
  Loader loader(dataset, load_checkpoint(at("whole_images") / "final").card.image, order);
  loader.start_epoch(0);
  std::int64_t last = 0;
  while (const auto batch = loader.next()) last = batch->images.back();
  const fs::path image = at("torn") / dataset.images[static_cast<std::size_t>(last)].path;
  const std::string bytes = read_file(image);
  TrainPaths where = paths("torn_run");
  where.data = at("torn").string();
  test::write_text(image, "no picture");
  EXPECT_NE(test::invalid_input_of([&] { train(options, where); }).find(image.filename().string()),
            std::string::npos);
  test::write_text(image, bytes);
  ASSERT_FALSE(lines_of(at("torn_run") / "metrics.jsonl").empty());
  where.resume = true;
  train(options, where);
  EXPECT_EQ(losses_of(at("torn_run")), losses_of(at("whole_images")));
}

TEST_F(TrainTest, PrecisionIsStoredAsItCameOut) {
  TrainOptions options = test::tiny_train_options();
  options.epochs = 1;
  options.precision = "auto";
  const Json report = train(options, paths("auto"));
  EXPECT_EQ(read_json(at("auto") / "run.json")["options"]["precision"], report["precision"]);
  TrainPaths again = paths("auto", "", true);
  again.named = Json{{"precision", nullptr}};
  EXPECT_NO_THROW(train(options, again));
}

TEST_F(TrainTest, ResumeRefusesOtherOptionsAndNothing) {
  TrainOptions options = test::tiny_train_options();
  options.epochs = 1;
  train(options, paths("resume"));
  options.optimizer.lr = 1e-4;
  const std::string message = test::invalid_input_of([&] { train(options, paths("resume", "", true)); });
  EXPECT_NE(message.find("optimizer.lr"), std::string::npos) << message;
  options = test::tiny_train_options();
  options.epochs = 1;
  const fs::path state = fs::path(at("resume")) / "state.safetensors";
  std::string bytes = read_file(state);
  bytes[bytes.size() - 20] = static_cast<char>(bytes[bytes.size() - 20] ^ 1);
  test::write_text(state, bytes);
  const std::string damaged = test::invalid_input_of([&] { train(options, paths("resume", "", true)); });
  EXPECT_NE(damaged.find("is damaged"), std::string::npos) << damaged;
  EXPECT_NE(test::invalid_input_of([&] { train(options, paths("nowhere", "", true)); }), "");
  EXPECT_FALSE(fs::exists(at("nowhere")));
}

TEST_F(TrainTest, AdapterTrainsAloneAndRandomStateIsResumed) {
  TrainOptions options = test::tiny_train_options();
  options.epochs = 2;
  train(options, paths("base"));
  options.lora_mode = "adapter";
  options.lora.rank = 4;
  options.model = ModelConfig();  // it comes with the checkpoint
  options.lora.dropout = 0.2;     // draws from LibTorch's generator at every step
  options.epochs = 10;
  train(options, paths("adapter", "base/final"));
  const Checkpoint base = load_checkpoint(at("base/final")), adapted = load_checkpoint(at("adapter/final"));
  ASSERT_TRUE(adapted.model->has_lora());
  EXPECT_EQ(adapted.model->adapters.adapter().options.rank, 4);
  const auto before = base.model->named_parameters(), after = adapted.model->named_parameters();
  for (const auto& item : before) EXPECT_TRUE(torch::equal(item.value(), after[item.key()])) << item.key();
  EXPECT_GT(after["vision_model.encoder.layers.0.self_attn.q_proj.lora_B"].abs().max().item<double>(), 0.0);
  EXPECT_EQ(adapted.provenance.size(), 2u);

  {
    const test::InterruptAfter interrupt(at("adapter2") / "metrics.jsonl", 6);
    EXPECT_THROW(train(options, paths("adapter2", "base/final")), Interrupted);
  }
  train(options, paths("adapter2", "", true));  // run.json remembers --init
  EXPECT_EQ(losses_of(at("adapter2")), losses_of(at("adapter")));

  // Training on merges the adapter first.
  options.lora_mode = "none";
  options.lora = LoraOptions();
  options.epochs = 1;
  train(options, paths("merged", "adapter/final"));
  EXPECT_FALSE(load_checkpoint(at("merged/final")).model->has_lora());
}

TEST_F(TrainTest, InitBringsItsTokenizer) {
  TrainOptions options = test::tiny_train_options();
  options.epochs = 1;
  train(options, paths("first"));
  const Checkpoint checkpoint = load_checkpoint(at("first/final"));

  Dataset dataset = open_dataset(at("data"));
  const auto own = dataset.tokenizer;
  dataset.tokenizer =
      train_tokenizer({"quite other words in quite another order", "and more of them, so many more"}, 30);
  adopt_tokenizer(dataset, checkpoint);
  ASSERT_EQ(dataset.tokenizer, checkpoint.tokenizer);
  ASSERT_EQ(dataset.tokens.shape(), (Shape{static_cast<std::int64_t>(dataset.pairs.size()), 24}));
  const auto expected = own->encode_with_ends(dataset.pairs[5].caption, 24);
  const std::int32_t* row = dataset.tokens.data<std::int32_t>() + 5 * 24;
  EXPECT_EQ(std::vector<std::int32_t>(row, row + expected.size()), expected);
}

TEST_F(TrainTest, ShorterContextCutsTheCaptions) {
  TrainOptions options = test::tiny_train_options();
  options.model.text.max_position_embeddings = 6;
  options.epochs = 1;
  EXPECT_NO_THROW(train(options, paths("short")));
  EXPECT_EQ(load_checkpoint(at("short/final")).card.context_length, 6);
}

TEST_F(TrainTest, WithoutValidationSplitBestIsTheLast) {
  test::write_tiny_dataset(at("no_val"), /*with_val=*/false);
  TrainOptions options = test::tiny_train_options();
  options.epochs = 1;
  TrainPaths where = paths("no_val_run");
  where.data = at("no_val").string();
  const Json report = train(options, where);
  EXPECT_TRUE(report["val"].is_null());
  EXPECT_EQ(weights_hash(load_checkpoint(at("no_val_run/best")).model),
            weights_hash(load_checkpoint(at("no_val_run/final")).model));
}

TEST_F(TrainTest, BestIsWhatWasAskedFor) {
  TrainOptions options = test::tiny_train_options();
  options.best_by = "loss";
  options.validate_every = 3;
  options.steps = 11;
  const Json report = train(options, paths("by_loss"));
  double lowest = 1e9;
  std::vector<std::int64_t> steps;
  for (const Json& line : lines_of(at("by_loss") / "metrics.jsonl"))
    if (line.contains("val")) {
      lowest = std::min(lowest, line["val"]["loss"].get<double>());
      steps.push_back(line["step"].get<std::int64_t>());
    }
  EXPECT_EQ(steps, (std::vector<std::int64_t>{3, 6, 9, 11}));
  EXPECT_EQ(report["best"]["val"]["loss"].get<double>(), lowest);
}

TEST_F(TrainTest, DivergenceNamesStepAndRemedy) {
  TrainOptions options = test::tiny_train_options();
  options.optimizer.lr = 1e30;
  options.optimizer.clip_norm = 0;
  const std::string message = test::invalid_input_of([&] { train(options, paths("nan")); });
  EXPECT_NE(message.find("step "), std::string::npos) << message;
  EXPECT_NE(message.find("lower optimizer.lr"), std::string::npos) << message;
  EXPECT_NE(message.find("not finite"), std::string::npos) << message;
}

TEST_F(TrainTest, StepsThatAreNotFiniteAreLeftOutThenTheRunEnds) {
  TrainOptions options = test::tiny_train_options();
  options.steps = 12;
  options.saving.every_steps = 1;
  options.losses.sdm.weight = 1;
  train(options, paths("finite"));
  options.losses.sdm.epsilon = 5e-324;  // 0 as a float32: the logarithm of labels that are 0
  options.losses.sdm.weight = 1;
  const std::string message = test::invalid_input_of([&] { train(options, paths("not_finite")); });
  EXPECT_NE(message.find("step 3: the loss is"), std::string::npos) << message;
  EXPECT_NE(message.find("gradients are not finite, nearest to the output"), std::string::npos) << message;
  int skipped = 0;
  for (const Json& line : lines_of(at("not_finite") / "metrics.jsonl")) skipped += line.contains("skipped");
  EXPECT_EQ(skipped, options.optimizer.max_skipped);
}

TEST_F(TrainTest, RefusesWhatCannotWork) {
  const TrainOptions good = test::tiny_train_options();
  const auto refused = [&](const std::function<void(TrainOptions&)>& change) {
    TrainOptions options = good;
    change(options);
    const std::string message = test::invalid_input_of([&] { train(options, paths("refused")); });
    EXPECT_FALSE(fs::exists(at("refused")));
    return message;
  };
  EXPECT_NE(refused([](TrainOptions& o) { o.lora_mode = "adapter"; }).find("--init"), std::string::npos);
  EXPECT_NE(refused([](TrainOptions& o) { o.batch = 1; }).find("batch"), std::string::npos);
  EXPECT_NE(refused([](TrainOptions& o) { o.optimizer.lr = -1; }).find("optimizer.lr"), std::string::npos);
  EXPECT_NE(refused([](TrainOptions& o) { o.epochs = 0; }).find("epochs"), std::string::npos);
  EXPECT_NE(refused([](TrainOptions& o) { o.model.vision.patch_size = 7; }).find("patch_size"),
            std::string::npos);
  fs::create_directories(at("mine"));
  test::write_text(at("mine/photo.jpg"), "x");
  EXPECT_NE(test::invalid_input_of([&] { train(good, paths("mine")); }), "");
  EXPECT_TRUE(fs::exists(at("mine/photo.jpg")));
}

TEST(TrainConfigs, EveryShippedFileOpens) {
  int files = 0;
  for (const char* folder : {"configs/train", "configs/model"})
    for (const auto& entry : fs::directory_iterator(fs::path(EDGECLIP_SOURCE_DIR) / folder)) {
      TrainOptions options;
      EXPECT_NO_THROW(options = load_options<TrainOptions>({entry.path().string()}, {})) << entry.path();
      EXPECT_NO_THROW(options.validate("")) << entry.path();
      ++files;
    }
  EXPECT_GE(files, 4);
}

TEST(TrainConfigs, UnknownKeyNamesTheNearest) {
  TrainOptions options;
  const std::string message = test::invalid_input_of([&] {
    options_from_json(Json{{"optimizer", {{"weight_decai", 0.1}}}}, options, "c.json: ");
  });
  EXPECT_NE(message.find("weight_decay"), std::string::npos) << message;
}

}  // namespace
}  // namespace edgeclip
