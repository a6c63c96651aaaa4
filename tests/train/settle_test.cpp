#include "base/file.h"
#include "model/checkpoint.h"
#include "support/support.h"
#include "train/asked_options.h"
#include "train/interrupt_after.h"
#include "train/tiny_training.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(AskedOptions, AreThoseNamedAndThoseThatDiffer) {
  const Json defaults = {{"a", 1}, {"b", {{"c", 2}, {"d", 3}}}, {"e", Json::object()}};
  Json options = defaults;
  EXPECT_EQ(asked_options(options, defaults, nullptr), Json::object());
  options["b"]["d"] = 4;
  EXPECT_EQ(asked_options(options, defaults, nullptr), Json({{"b", {{"d", 4}}}}));
  EXPECT_EQ(asked_options(options, defaults, {{"b", {{"c", "whatever"}}}}),
            Json({{"b", {{"c", 2}, {"d", 4}}}}));
  EXPECT_EQ(asked_options(defaults, defaults, {{"b", true}, {"e", Json::object()}}),
            Json({{"b", {{"c", 2}, {"d", 3}}}, {"e", Json::object()}}));
  Json base = defaults;
  overlay(base, {{"b", {{"c", 7}}}});
  EXPECT_EQ(base, Json({{"a", 1}, {"b", {{"c", 7}, {"d", 3}}}, {"e", Json::object()}}));
  EXPECT_EQ(first_difference(defaults, base), "b.c");
  EXPECT_EQ(value_at(base, "b.c"), "7");
  EXPECT_EQ(value_at(base, "b.x.y"), "not set");
}

/// The source of a value is named once, where a message begins, and the keys of its remedy as they are set.
TEST(TrainOptionMessages, NameTheirSourceOnce) {
  const std::map<std::string, std::string> wanted = {
      {"lora.rank=4",
       "--set lora.rank: has no effect while lora_mode is none and all weights train; set lora_mode to adapter, or leave "
       "lora.* out"},
      {R"(train=["x"])",
       "--set train: has no effect while lora_mode is none and all weights train; name in freeze what does not, or set "
       "lora_mode to adapter"},
      {"early_stopping.min_delta=1",
       "--set early_stopping.min_delta: has no effect without early_stopping.patience; set that too, or leave it out"},
      {"losses.self_supervision.weight=1",
       "--set losses.self_supervision: augment changes no image, so that two views of it are the same; give "
       "augment.color_jitter or augment.resized_crop a probability, or set losses.self_supervision.weight to 0"},
      {R"(losses.cyclic={"weight":1,"in_modal":0,"cross_modal":0})",
       "--set losses.cyclic.in_modal and losses.cyclic.cross_modal are both 0; give one of them a weight, or set "
       "losses.cyclic.weight to 0"},
      {"losses.distillation.hidden.weight=1",
       "--set losses.distillation.teacher: is missing; name a checkpoint to learn from, or set "
       "losses.distillation.hidden.weight to 0"},
      {R"(loading={"identities":4,"images_per_identity":2,"unique_ids":"off"})",
       "--set loading.unique_ids: off has no effect beside loading.identities, with which a person has 2 rows of a batch; "
       "leave one of the two out"},
  };
  for (const auto& [setting, message] : wanted) {
    TrainOptions defaults;
    defaults.augment.flip.probability = 0;
    EXPECT_EQ(test::invalid_input_of([&] { load_options<TrainOptions>({}, {setting}, defaults); }), message);
  }
}

class SettleTest : public test::TinyTraining {
 protected:
  static TrainOptions short_options() {
    TrainOptions options = test::tiny_train_options();
    options.epochs = 1;
    return options;
  }
  static std::string refused(TrainOptions options, TrainPaths paths, const Json& named = nullptr) {
    paths.named = named;
    return test::invalid_input_of([&] { settle_training(options, paths); });
  }
};

TEST_F(SettleTest, ANewModelsImageHasItsSizeAndTheRestAsAskedFor) {
  TrainOptions options = short_options();
  options.image.filter = "bicubic";
  options.image.exif = "apply";
  options.image.resize = "shortest_crop";
  options.image.shortest = 40;  // less than the usual size, but not less than this model's
  options.validate("");
  TrainPaths where = paths("new");
  train(options, where);
  const ImageTransform image = load_checkpoint(at("new/final")).card.image;
  EXPECT_EQ(image.filter, "bicubic");
  EXPECT_EQ(image.exif, "apply");
  EXPECT_EQ(image.height, 32);
  const Json written = read_json(at("new/run.json"))["options"];
  EXPECT_EQ(written["image"], options_to_json(image));
  EXPECT_EQ(written["model"]["text"]["vocab_size"], load_checkpoint(at("new/final")).config.text.vocab_size);
  settle_training(options, where);
  EXPECT_EQ(options_to_json(options.image), options_to_json(image));

  TrainOptions tall = short_options();
  tall.image.height = 128;
  const std::string message = refused(tall, paths("tall"));
  EXPECT_TRUE(has(message, "image.height") && has(message, "model.vision.image_height is 32")) << message;
  // Named with its default, which no comparison of values could tell.
  EXPECT_TRUE(has(refused(short_options(), paths("tall"), {{"image", {{"width", 48}}}}), "image.width"));
  TrainOptions fits = short_options();
  fits.image.height = 32;
  EXPECT_NO_THROW(settle_training(fits, where));
}

TEST_F(SettleTest, InitBringsArchitectureAndPreprocessing) {
  TrainOptions first = short_options();
  first.image.filter = "bicubic";
  train(first, paths("init"));
  TrainOptions options = short_options();
  options.model = ModelConfig();
  TrainPaths where = paths("next", "init/final");

  TrainOptions settled = options;
  settle_training(settled, where);
  EXPECT_EQ(settled.image.filter, "bicubic");
  EXPECT_EQ(settled.image.height, 32);
  EXPECT_EQ(settled.model.vision.hidden_size, 32);
  EXPECT_NO_THROW(settle_training(settled, where)) << "what was printed is accepted again";

  TrainOptions other = options;
  other.image.height = 64;
  EXPECT_TRUE(has(refused(other, where), "image.height: 64 was asked for"));
  EXPECT_TRUE(has(refused(options, where, {{"image", {{"height", true}}}}), "image.height: 96"));
  other = options;
  other.model.vision.patch_size = 4;
  const std::string message = refused(other, where);
  EXPECT_TRUE(has(message, "model.vision.patch_size") && has(message, "comes with --init")) << message;
  EXPECT_TRUE(has(refused(options, where, {{"model", {{"projection_dim", true}}}}), "model.projection_dim"));

  options.image.exif = "apply";
  where.named = {{"image", {{"filter", true}}}};  // the default, bilinear, in so many words
  train(options, where);
  const ImageTransform image = load_checkpoint(at("next/final")).card.image;
  EXPECT_EQ(image.exif, "apply");
  EXPECT_EQ(image.filter, "bilinear");
  EXPECT_EQ(read_json(at("next/run.json"))["options"]["image"], options_to_json(image));
  TrainOptions again;
  TrainPaths resumed = paths("next", "", true);
  settle_training(again, resumed);
  EXPECT_EQ(options_to_json(again.image), options_to_json(image));
  EXPECT_EQ(resumed.init, at("init/final").string());
}

TEST_F(SettleTest, TokensMayBeMergedOfACheckpointThatMergesNone) {
  train(short_options(), paths("unmerged"));
  TrainOptions options = short_options();
  options.model = ModelConfig();
  options.model.vision.token_merging = {1};
  TrainPaths where = paths("merging", "unmerged/final");
  train(options, where);
  const Checkpoint merged = load_checkpoint(at("merging/final"));
  EXPECT_EQ(merged.config.vision.token_merging, (std::vector<int>{1}));
  EXPECT_EQ(merged.config.vision.hidden_size, 32);
  EXPECT_EQ(read_json(at("merging/run.json"))["options"]["model"]["vision"]["token_merging"], Json({1}));

  TrainOptions again;
  TrainPaths resumed = paths("merging", "", true);
  settle_training(again, resumed);  // without repeating it
  EXPECT_EQ(again.model.vision.token_merging, (std::vector<int>{1}));
  TrainOptions other;
  other.model.vision.token_merging = {2};
  EXPECT_TRUE(has(refused(other, paths("merging", "", true)), "token_merging of model.vision differs"));
  options.model.vision.token_merging = {1000};
  const std::string many = refused(options, paths("more", "unmerged/final"));
  EXPECT_TRUE(has(many, "model.vision.token_merging: layer 0 has")) << many;
  // From a checkpoint that merges, as it is and with none.
  TrainOptions further;
  TrainPaths from = paths("further", "merging/final");
  settle_training(further, from);
  EXPECT_EQ(further.model.vision.token_merging, (std::vector<int>{1}));
  further = TrainOptions();
  further.model.vision.token_merging = {0};
  settle_training(further, from);
  EXPECT_EQ(further.model.vision.token_merging, (std::vector<int>{0}));
}

TEST_F(SettleTest, AdapterOptionsNeedAnAdapter) {
  TrainOptions options = short_options();
  options.lora.rank = 4;
  const std::string message = test::invalid_input_of([&] { options.validate(""); });
  EXPECT_TRUE(has(message, "lora.rank") && has(message, "lora_mode to adapter")) << message;
  const std::string named = refused(short_options(), paths("lora"), {{"lora", {{"rank", 16}}}});
  EXPECT_TRUE(has(named, "lora.rank") && has(named, "--lora-mode adapter")) << named;
  TrainOptions whole = short_options();  // all that --print-config prints
  TrainPaths where = paths("lora");
  where.named = options_to_json(whole);
  where.named.erase("image");
  EXPECT_NO_THROW(settle_training(whole, where));
}

TEST_F(SettleTest, AResumedRunNeedsNothingRepeated) {
  TrainOptions options = test::tiny_train_options();
  options.epochs = 8;
  train(options, paths("whole"));
  {
    const test::InterruptAfter interrupt(at("part") / "metrics.jsonl", 7);
    EXPECT_THROW(train(options, paths("part")), Interrupted);
  }
  TrainPaths where;
  where.out = at("part");
  where.resume = true;
  TrainOptions faster;  // what changes no result may be asked for
  faster.loading.queue = 3;
  train(faster, where);
  EXPECT_EQ(weights_hash(load_checkpoint(at("part/final")).model),
            weights_hash(load_checkpoint(at("whole/final")).model));

  TrainOptions longer;
  longer.epochs = 12;
  const std::string message = refused(longer, where);
  EXPECT_TRUE(has(message, "epochs was 8 and is now 12") && has(message, "--init") &&
              has(message, "part/final"))
      << message;
  // The default, in so many words.
  EXPECT_TRUE(has(refused(TrainOptions(), where, {{"batch", true}}), "batch was 12 and is now 64"));
  TrainPaths from = where;
  from.init = at("whole/final");
  EXPECT_TRUE(has(refused(TrainOptions(), from), "was started without one"));

  where.data = at("data") / "";  // the same, said otherwise
  EXPECT_NO_THROW(train(TrainOptions(), where));
  test::write_tiny_dataset(at("other"), /*with_val=*/false);
  where.data = at("other");
  const std::string other = test::invalid_input_of([&] { train(TrainOptions(), where); });
  EXPECT_TRUE(has(other, "other: holds other data than data")) << other;

  where.data.clear();
  Json run = read_json(at("part/run.json"));
  run["data"] = at("moved").string();
  write_json(at("part/run.json"), run);
  EXPECT_TRUE(has(refused(TrainOptions(), where), "name the dataset with --data"));
}

TEST_F(SettleTest, ARunOfBeforeWhoseSizesHadNoEffectIsResumed) {
  train(short_options(), paths("older"));
  Json run = read_json(at("older/run.json"));
  run.erase("dataset");
  run["options"]["image"]["height"] = 96;
  run["options"]["image"]["width"] = 48;
  run["options"]["model"]["text"]["vocab_size"] = 2000;
  run["options"]["lora"]["rank"] = 3;
  write_json(at("older/run.json"), run);
  EXPECT_NO_THROW(train(short_options(), paths("older", "", true)));
}

TEST_F(SettleTest, CaptionsWithoutImagesTrainNothing) {
  test::write_tiny_dataset(at("captions"));
  Json info = read_json(at("captions/dataset.json"));
  info["source"] = {{"images", nullptr}};
  write_json(at("captions/dataset.json"), info);
  TrainPaths where = paths("of_captions");
  where.data = at("captions");
  const std::string message = test::invalid_input_of([&] { train(short_options(), where); });
  EXPECT_TRUE(has(message, "captions: was prepared with --no-images")) << message;
  EXPECT_FALSE(fs::exists(at("of_captions")));
}

}  // namespace
}  // namespace edgeclip
