#include <algorithm>

#include "support/support.h"
#include "train/tiny_training.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

/// The configurations of configs/train: each is opened, and a small form of it takes steps.
class Recipes : public test::TinyTraining {
 protected:
  static std::vector<fs::path> files() {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(EDGECLIP_SOURCE_DIR "/configs/train"))
      files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
  }

  /// The recipe's own losses, optimizer, augmentations and so on, on towers of the same kinds that fit the
  /// tiny dataset.
  static TrainOptions small(TrainOptions options) {
    const TrainOptions tiny = test::tiny_train_options();
    options.model = tiny.model;
    options.model.vision.num_hidden_layers = options.model.text.num_hidden_layers =
        6;  // all that groups name
    options.model.text.max_position_embeddings = 64;
    options.batch = 8;
    options.micro_batch = options.micro_batch > 0 ? 4 : 0;
    options.augment.pad_crop.pixels = std::min(options.augment.pad_crop.pixels, 2);
    options.steps = 3;
    options.precision = "fp32";
    return options;
  }

  /// A run of the same architecture, which others start from or learn from.
  static void make_start(const std::string& name, const TrainOptions& like) {
    TrainOptions options = test::tiny_train_options();
    options.model = like.model;
    options.steps = 1;
    train(options, paths(name));
  }
};

TEST_F(Recipes, AreAllThere) {
  std::vector<std::string> names;
  for (const auto& file : files()) names.push_back(file.stem().string());
  for (const char* name : {"demo_adapt", "demo_pretrain", "distilbert_resnet50", "distill", "full_clip_b32",
                           "irra_384x128", "lora_clip_b32", "person_small", "person_small_resnet", "quantization_aware", "tbps_clip_b16"})
    EXPECT_EQ(std::count(names.begin(), names.end(), name), 1) << name;
}

TEST_F(Recipes, EachSaysWhatItIsAndTakesSteps) {
  for (const auto& file : files()) {
    SCOPED_TRACE(file.filename().string());
    const TrainOptions recipe = load_options<TrainOptions>({file.string()}, {});
    for (const char* what : {"Memory", "Time"})
      EXPECT_NE(recipe.about.find(what), std::string::npos) << "says nothing of its " << what;
    const std::string name = file.stem().string();
    TrainOptions options = small(recipe);
    const bool from_nothing = options_to_json(recipe)["model"] != options_to_json(TrainOptions())["model"];
    if (name == "distilbert_resnet50") {
      options.model.vision.model_type = "resnet";
      options.model.vision.depths = {1, 1};
      options.model.vision.hidden_sizes = {16, 32};
      options.model.vision.embedding_size = 8;
      options.model.text.model_type = "distilbert";
    }
    std::string init;
    if (!from_nothing) {
      init = name + "_start/best";
      make_start(name + "_start", options);
      options.model = ModelConfig();
      options.image = ImageTransform();
    }
    if (options.losses.distillation.weight > 0) {
      make_start(name + "_teacher", options);
      options.losses.distillation.teacher = at(name + "_teacher/best").string();
    }
    const Json report = train(options, paths(name, init));
    EXPECT_EQ(report["steps"], 3);
    EXPECT_EQ(report["skipped_steps"], 0);
    EXPECT_GT(report["memory"]["estimated_mb"].get<double>(), 0);
  }
}

/// The real one, since it is cheap.
TEST_F(Recipes, PersonSmallHasTheSizeItSays) {
  TrainOptions options = load_options<TrainOptions>({EDGECLIP_SOURCE_DIR "/configs/train/person_small.json"},
                                                    {"batch=4", "steps=1"});
  const Json report = train(options, paths("person_small_real"));
  // The tiny dataset's vocabulary is smaller than the 2000 that are meant.
  const double parameters =
      report["parameters"]["trained"].get<double>() + (2000 - 60) * options.model.text.hidden_size;
  EXPECT_NEAR(parameters, 7.6e6, 0.1e6);
}

}  // namespace
}  // namespace edgeclip
