#include "train/start.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "model/freeze.h"
#include "train/cpu_allocator.h"

namespace edgeclip {

Checkpoint new_checkpoint(const TrainOptions& options, const Dataset& dataset) {
  Checkpoint checkpoint;
  checkpoint.config = options.model;
  TextConfig& text = checkpoint.config.text;
  checkpoint.tokenizer = dataset.tokenizer;
  text.vocab_size = dataset.tokenizer->vocab_size();
  text.bos_token_id = dataset.tokenizer->begin_id();
  text.eos_token_id = dataset.tokenizer->end_id();
  text.pad_token_id = dataset.tokenizer->pad_id();
  checkpoint.config.validate("model.");

  checkpoint.model = DualEncoder(checkpoint.config);
  initialize_weights(checkpoint.model);
  checkpoint.card.image = options.image;
  checkpoint.card = card_of(checkpoint.model, checkpoint.card);
  choose_what_trains(checkpoint, options);
  return checkpoint;
}

Checkpoint checkpoint_to_train(const TrainOptions& options, const std::filesystem::path& directory) {
  Checkpoint checkpoint = load_checkpoint(directory);
  merge_adapter(checkpoint);
  choose_what_trains(checkpoint, options);
  return checkpoint;
}

void choose_what_trains(Checkpoint& checkpoint, const TrainOptions& options) {
  DualEncoder& model = checkpoint.model;
  if (options.lora_mode == "adapter") {
    model->attach_lora(options.lora);
    checkpoint.lora = options.lora;
    if (options.base_type == "bf16") {
      model->adapters.store_base(torch::kBFloat16);
      release_tensor_memory();  // what the wide base took
    }
  }
  if (!options.freeze.empty())
    spdlog::info("{} values are frozen", freeze_parameters(*model, options.freeze, "freeze"));
  model->recompute_blocks(options.gradient_checkpointing);
}

void merge_adapter(Checkpoint& checkpoint) {
  if (checkpoint.model->has_lora()) {
    spdlog::info("the checkpoint's adapter is merged into its weights first");
    checkpoint.model->merge_lora();
  }
  checkpoint.lora.reset();
}

void adopt_tokenizer(Dataset& dataset, const Checkpoint& checkpoint) {
  const int context = checkpoint.config.text.max_position_embeddings;
  if (dataset.tokenizer == checkpoint.tokenizer && dataset.context_length <= context) return;
  std::vector<std::string> captions;
  captions.reserve(dataset.pairs.size());
  for (const Pair& pair : dataset.pairs) captions.push_back(pair.caption);
  dataset.tokenizer = checkpoint.tokenizer;
  dataset.context_length = context;
  dataset.tokens = checkpoint.tokenizer->encode_batch(captions, context, /*fixed_length=*/true);
}

bool has_split(const Dataset& dataset, const std::string& name) {
  return std::any_of(dataset.images.begin(), dataset.images.end(),
                     [&](const ImageItem& image) { return image.split == name; });
}

}  // namespace edgeclip
