#pragma once

#include <filesystem>

#include "data/dataset/dataset.h"
#include "model/checkpoint.h"
#include "train/train.h"

/// What a training starts from: a checkpoint and a dataset that speak the same tokens.
namespace edgeclip {

/// Keys of an image tower that may be chosen for a checkpoint's weights.
inline constexpr const char* kOfNoWeight[] = {"token_merging", "proportional_attention"};

/// Keys of model.text that a new model takes from the dataset's tokenizer, whatever options say.
inline constexpr const char* kOfTokenizer[] = {"vocab_size", "bos_token_id", "eos_token_id", "pad_token_id"};

/// A new model as options say, with the dataset's tokenizer: vocabulary size and special ids are taken from
/// it. Weights come from torch's generator.
Checkpoint new_checkpoint(const TrainOptions& options, const Dataset& dataset);

/// Loads a checkpoint to be trained further, with the preprocessing of settled options.  adapter: of it, as for
/// load_checkpoint().  lora_mode "continue": that one trains; else it is merged first, and "adapter" attaches a
/// new one, after which only it trains.
Checkpoint checkpoint_to_train(const TrainOptions& options, const std::filesystem::path& directory,
                               const std::string& adapter = "");

/// Attaches an adapter if options ask for one, freezes what they name, sets gradient checkpointing, and whether
/// saving leaves the base out.  Throws InvalidInput if there is no adapter to be continued.
void choose_what_trains(Checkpoint& checkpoint, const TrainOptions& options);

/// Merges the adapter in use into the weights, which all train again, and drops others.
void merge_adapter(Checkpoint& checkpoint);

/// Replaces the dataset's tokens, in memory, by those of the checkpoint's tokenizer at its context length
/// (unless they are the same already).
void adopt_tokenizer(Dataset& dataset, const Checkpoint& checkpoint);

/// Throws InvalidInput if the training split holds one person alone and the losses take all pairs of one person for right.
/// where: what stands before the options' names.
void require_identities(const Dataset& dataset, const ObjectiveOptions& losses, const std::string& where = "");

bool has_split(const Dataset& dataset, const std::string& name);

}  // namespace edgeclip
