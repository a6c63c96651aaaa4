#include "train/start.h"

#include <algorithm>

#include "base/artifact.h"
#include "base/error.h"
#include "base/log.h"
#include "data/dataset/tokenize_captions.h"
#include "model/freeze.h"
#include "train/cpu_allocator.h"

namespace edgeclip {

Checkpoint new_checkpoint(const TrainOptions& options, const Dataset& dataset) {
  Checkpoint checkpoint;
  checkpoint.config = options.model;
  TextConfig& text = checkpoint.config.text;
  checkpoint.tokenizer = dataset.tokenizer;
  const Json asked = options_to_json(text);
  text.vocab_size = dataset.tokenizer->vocab_size();
  text.bos_token_id = dataset.tokenizer->begin_id();
  text.eos_token_id = dataset.tokenizer->end_id();
  text.pad_token_id = dataset.tokenizer->pad_id();
  const Json is = options_to_json(text), usual = options_to_json(TextConfig());
  for (const char* key : kOfTokenizer)
    if (asked[key] != is[key] && asked[key] != usual[key])
      spdlog::info("model.text.{} is {}, the dataset's tokenizer's, not {}", key, is[key].dump(),
                   asked[key].dump());
  checkpoint.config.validate("model.");

  checkpoint.model = DualEncoder(checkpoint.config);
  initialize_weights(checkpoint.model);
  checkpoint.card.image = options.image;
  checkpoint.card = card_of(checkpoint.model, checkpoint.card);
  choose_what_trains(checkpoint, options);
  return checkpoint;
}

Checkpoint checkpoint_to_train(const TrainOptions& options, const std::filesystem::path& directory,
                               const std::string& adapter) {
  Checkpoint checkpoint = load_checkpoint(directory, adapter, [&](ModelConfig& config) {
    config.vision.token_merging = options.model.vision.token_merging;
    config.vision.proportional_attention = options.model.vision.proportional_attention;
  });
  const Json before = options_to_json(checkpoint.card.image), now = options_to_json(options.image);
  for (const auto& [key, value] : now.items())
    if (before[key] != value)
      spdlog::info("image.{} is {} from now on; the checkpoint was trained with {}", key, value.dump(),
                   before[key].dump());
  checkpoint.card.image = options.image;
  if (checkpoint.ranges && !options.quantization_aware.enabled)
    spdlog::info("{}: has learned to be int8, which it forgets from now on; quantization_aware.enabled goes on with it",
                 checkpoint.directory.string());
  checkpoint.ranges.reset();
  if (options.lora_mode != "continue") merge_adapter(checkpoint);
  choose_what_trains(checkpoint, options);
  if (checkpoint.model->adapters.empty() || options.saving.base) return checkpoint;
  if (checkpoint.saves_base())
    spdlog::info("the adapter's base lies nowhere else (an adapter was merged into it): checkpoints hold it");
  else if (const auto above = checkpoint.base->directory.parent_path();
           is_artifact_head(above / "run.json") || is_artifact_head(above.parent_path() / "run.json"))
    spdlog::info("{}: the adapter's checkpoints need it; it goes when its run is trained on (saving.base: they hold it)",
                 checkpoint.base->directory.string());
  return checkpoint;
}

void choose_what_trains(Checkpoint& checkpoint, const TrainOptions& options) {
  DualEncoder& model = checkpoint.model;
  if (options.lora_mode == "adapter") model->attach_lora(options.lora, options.train);
  if (options.lora_mode == "continue") {
    if (!model->has_lora())
      invalid_input("lora_mode continue: {} has no adapter in use; name one with --adapter, or set lora_mode to adapter",
                    checkpoint.directory.string());
    model->adapters.set_dropout(options.lora.dropout);
    if (!options.train.empty()) model->adapters.train_beside(options.train, "train");
  }
  if (options.lora_mode != "none" && options.base_type == "bf16") {
    model->adapters.store_base(torch::kBFloat16);
    release_tensor_memory();  // what the wide base took
  }
  checkpoint.adapter_only = !options.saving.base;
  if (!options.freeze.empty())
    spdlog::info("{} values are frozen", freeze_parameters(*model, options.freeze, "freeze"));
  model->recompute_blocks(options.gradient_checkpointing);
}

void merge_adapter(Checkpoint& checkpoint) {
  AdapterSet& adapters = checkpoint.model->adapters;
  if (adapters.empty()) return;
  if (checkpoint.model->has_lora()) {
    spdlog::info("the checkpoint's adapter{} is merged into its weights first (lora_mode continue trains it further)",
                 adapters.used() == kUsualAdapter ? "" : " " + adapters.used());
    checkpoint.base.reset();
  }
  adapters.fold();
}

void adopt_tokenizer(Dataset& dataset, const Checkpoint& checkpoint) {
  const int context = checkpoint.config.text.max_position_embeddings;
  if (dataset.tokenizer == checkpoint.tokenizer && dataset.context_length <= context) return;
  tokenize_again(dataset, checkpoint.tokenizer, context);
}

void require_identities(const Dataset& dataset, const ObjectiveOptions& losses, const std::string& where) {
  // A teacher tells pairs of one person apart, and so do an image's two views.
  if (losses.distillation.in_use() || losses.self_supervision.weight > 0 || dataset.identities("train") >= 2) return;
  const auto refuse = [&](const std::string& taker, const std::string& remedy) {
    invalid_input(
        "{}: split \"train\" has one identity, and {} takes each pair of it for right, so that nothing is learned; give "
        "each person an id of its own, or {}",
        dataset.directory.string(), where + taker, remedy);
  };
  const std::pair<const char*, double> by_person[] = {{"losses.sdm", losses.sdm.weight},
                                                      {"losses.reversed_contrastive", losses.reversed_contrastive.weight},
                                                      {"losses.triplet_alignment", losses.triplet_alignment.weight}};
  for (const auto& [name, weight] : by_person)
    if (weight > 0) refuse(name, fmt::format("leave {0}{1} out and set {0}identity_targets to false", where, name));
  if (losses.contrastive.weight > 0 && losses.contrastive.identity_targets)
    refuse("identity_targets", fmt::format("set {}identity_targets to false", where));
}

bool has_split(const Dataset& dataset, const std::string& name) {
  return std::any_of(dataset.images.begin(), dataset.images.end(),
                     [&](const ImageItem& image) { return image.split == name; });
}

}  // namespace edgeclip
