#include <filesystem>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "model/checkpoint.h"
#include "train/asked_options.h"
#include "train/run_folder.h"
#include "train/start.h"

namespace edgeclip {

namespace {

namespace fs = std::filesystem;

Json asked_of(const TrainOptions& options, const Json& named) {
  return asked_options(options_to_json(options), options_to_json(TrainOptions()), named);
}

/// Throws unless what was asked of `part` ("model", "image.height") is what it is.
void require_asked(const Json& asked, const Json& is, const std::string& part, const std::string& because) {
  Json wanted = is;
  overlay(wanted, asked);
  if (const std::string key = first_difference(is, wanted); !key.empty())
    invalid_input("{}{}: {} was asked for, but {}, where it is {}", part, key, value_at(wanted, key), because,
                  value_at(is, key));
}

Json part_of(const Json& asked, const char* key) { return asked.contains(key) ? asked[key] : Json::object(); }

/// The run's adapter of --init, which the user need not repeat.
std::string adapter_of(const Json& run, const std::string& asked, const std::string& where) {
  const std::string adapter = run.contains("adapter") ? json_get<std::string>(run, "adapter", where) : "";
  if (!asked.empty() && asked != adapter)
    invalid_input("--adapter {}: {} was started {}; leave --adapter out", asked, where,
                  adapter.empty() ? "without it" : "with " + adapter);
  return adapter;
}

/// The options of a run that was started before those in force were written down: sizes and, with --init,
/// the whole preprocessing stood there as asked for, without effect.
void settle_older_run(Json& started, const std::string& init) {
  if (!init.empty()) {
    started["image"] = options_to_json(read_checkpoint_head(init).card.image);
    return;
  }
  const Json vision = started["model"]["vision"];
  started["image"]["height"] = vision["image_height"];
  started["image"]["width"] = vision["image_width"];
}

/// Options, data and init of the run to be resumed, with the changes that are allowed.
void settle_resumed(TrainOptions& options, TrainPaths& paths) {
  const std::string where = (fs::path(paths.out) / "run.json").string();
  const Json run = read_run_description(paths.out);
  paths.data = remembered_data(run, paths.data, where);
  paths.init = remembered_path(run, "init", paths.init, where);
  paths.adapter = adapter_of(run, paths.adapter, where);

  TrainOptions before;  // what an older edgeclip did not know yet has its default
  options_from_json(json_at(run, "options", where), before, where + ": options");
  Json started = options_to_json(before);
  if (!run.contains("dataset")) settle_older_run(started, paths.init);
  Json asked = asked_of(options, paths.named);
  const Json asked_model = part_of(asked, "model");
  if (!paths.init.empty()) asked.erase("model");  // settle_architecture() says what is wrong with it
  if (asked.contains("model") && asked["model"].contains("text"))
    for (const char* key : kOfTokenizer) asked["model"]["text"].erase(key);
  if (asked.value("precision", "") == "auto") asked.erase("precision");  // the run knows what it came to
  Json now = started;
  overlay(now, asked);
  accept_free_options(started, now);
  require_same_options(started, now, where);
  TrainOptions settled;
  options_from_json(now, settled, where + ": options");
  if (!paths.init.empty()) {
    const VisionConfig is = std::exchange(settled.model, options.model).vision;
    VisionConfig& vision = settled.model.vision;
    if (asked_model.contains("vision"))
      for (const char* key : kOfNoWeight)
        if (asked_model["vision"].contains(key) && options_to_json(vision)[key] != options_to_json(is)[key])
          invalid_input("{}: {} of model.vision differs from what the run was started with; leave it out, or start another run",
                        where, key);
    vision.token_merging = is.token_merging;
    vision.proportional_attention = is.proportional_attention;
  }
  options = settled;
}

void settle_new(TrainOptions& options, const Json& asked) {
  const VisionConfig& vision = options.model.vision;
  const Json image = part_of(asked, "image");
  const auto require_size = [&](const char* key, const char* model_key, int size) {
    if (image.contains(key) && image[key] != size)
      invalid_input(
          "image.{}: {} was asked for, but model.vision.{} is {}; set that one, image.{} follows it", key,
          image[key].dump(), model_key, size, key);
  };
  require_size("height", "image_height", vision.image_height);
  require_size("width", "image_width", vision.image_width);
  options.image.height = vision.image_height;
  options.image.width = vision.image_width;
}

void settle_architecture(TrainOptions& options, const Json& asked, const CheckpointHead& head,
                         const std::string& init) {
  const Json model = part_of(asked, "model"), vision = part_of(model, "vision");
  Json is = options_to_json(head.config);
  for (const char* key : kOfNoWeight)
    if (vision.contains(key)) is["vision"][key] = vision[key];
  require_asked(model, is, "model.", "the architecture comes with --init " + init);
  options.model = ModelConfig();
  options_from_json(is, options.model, "model");
  options.model.validate("model.");
}

/// The checkpoint's preprocessing, but for what was asked for.
void settle_image(TrainOptions& options, const Json& asked, const CheckpointHead& head,
                  const std::string& init) {
  Json image = options_to_json(head.card.image), size = Json::object();
  const Json asked_image = part_of(asked, "image");
  for (const char* key : {"height", "width"})
    if (asked_image.contains(key)) size[key] = asked_image[key];
  require_asked(size, image, "image.", "the size of the images comes with --init " + init);
  overlay(image, asked_image);
  options.image = ImageTransform();
  options_from_json(image, options.image, "image.");
}

/// An adapter that goes on has its options, but for the dropout.
void settle_adapter(TrainOptions& options, const Json& asked, const TrainPaths& paths) {
  const LoraOptions has = adapter_options(paths.init, paths.adapter);
  Json is = options_to_json(has), wanted = is;
  const Json asked_lora = part_of(asked, "lora");
  overlay(wanted, asked_lora);
  if (asked_lora.contains("dropout")) is["dropout"] = asked_lora["dropout"];
  if (const std::string key = first_difference(is, wanted); !key.empty())
    invalid_input(
        "lora.{}: {} was asked for, but the adapter that goes on has {}; leave it out, or train a new one with "
        "lora_mode adapter",
        key, value_at(wanted, key), value_at(is, key));
  options.lora = LoraOptions();
  options_from_json(is, options.lora, "lora.");
}

}  // namespace

void settle_training(TrainOptions& options, TrainPaths& paths) {
  if (paths.resume) settle_resumed(options, paths);
  const Json asked = asked_of(options, paths.named);
  if (options.lora_mode == "none" && asked.contains("lora") && !asked.contains("lora_mode"))
    invalid_input(
        "lora.{}: was set, but no adapter trains; add --lora-mode adapter (and --init CKPT), or leave lora.* "
        "out",
        asked["lora"].begin().key());
  require_weights(options.losses, part_of(asked, "losses"), "losses.");
  if (!paths.adapter.empty() && paths.init.empty())
    invalid_input("--adapter {}: is of a checkpoint; name that with --init", paths.adapter);
  if (paths.init.empty()) return settle_new(options, asked);
  if (options.lora_mode == "continue" && !paths.resume) settle_adapter(options, asked, paths);
  const CheckpointHead head = read_checkpoint_head(paths.init);
  settle_architecture(options, asked, head, paths.init);
  if (!paths.resume) settle_image(options, asked, head, paths.init);  // a run has its own written down
}

}  // namespace edgeclip
