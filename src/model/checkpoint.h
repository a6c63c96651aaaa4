#pragma once

#include <filesystem>
#include <functional>
#include <optional>

#include "base/atomic_directory.h"
#include "base/json.h"
#include "base/safetensors.h"
#include "bundle/model_card.h"
#include "data/text/tokenizer.h"
#include "model/checkpoint_base.h"
#include "model/dual_encoder.h"
#include "model/quantization/ranges_file.h"
#include "model/tensors.h"

namespace edgeclip {

inline constexpr const char* kCheckpointFile = "config.json";

/// A checkpoint folder (docs/formats.md): config.json {"format", "edgeclip", "model", "card", "lora"|null,
/// ["base", "adapters", "adapter"], "provenance", "files"}, model.safetensors or the place of another
/// checkpoint's, [adapter_config.json + adapter_model.safetensors as PEFT names them, others in
/// adapters/NAME], [tokenizer/], [quantization.json].
struct Checkpoint {
  ModelConfig config;
  ModelCard card;
  Json provenance = Json::array();  ///< history: list of {"command", "version", "options"}
  DualEncoder model{nullptr};
  std::shared_ptr<const Tokenizer> tokenizer;  ///< null if the folder has none
  std::filesystem::path directory;
  /// Where the model's weights without its adapters were read.  Whoever changes them resets it.
  std::optional<CheckpointBase> base;
  /// save_checkpoint() leaves the base where it is, and writes the adapters alone, if there are any and a base.
  bool adapter_only = false;

  /// Of a model that learned to be int8.  They hold for the weights that they name; save_checkpoint() drops those of others.
  std::optional<QuantizationRanges> ranges;

  bool saves_base() const { return !adapter_only || !base || model->adapters.empty(); }
};

/// What --adapter names: "" the checkpoint's own choice, "none" its base alone, an adapter of the checkpoint,
/// or the folder of one (in the place of those it has).
inline constexpr const char* kNoAdapter = "none";
inline constexpr const char* kUsualAdapter = "default";

/// What a path names: a checkpoint itself, or the checkpoint best of a run folder.  Throws InvalidInput if a
/// run folder has none.
std::filesystem::path checkpoint_folder(const std::filesystem::path& path);

/// A checkpoint's description, without a look at its weights.
struct CheckpointHead {
  ModelConfig config;
  ModelCard card;
};
CheckpointHead read_checkpoint_head(const std::filesystem::path& path);

/// Opens checkpoint_folder(path), and the base that it names; checks format, sizes and checksums of all files.
/// adapter: which one is used (kNoAdapter).  Throws InvalidInput naming file and tensor: missing, left over, of
/// another shape or type; an adapter that is not there; a base that is not where it was, or not what it was.
/// change, if given: of its configuration, what no weight depends on (token merging).
Checkpoint load_checkpoint(const std::filesystem::path& path, const std::string& adapter = "",
                           const std::function<void(ModelConfig&)>& change = {});

/// The folders whose files load_checkpoint(path, adapter) reads: the checkpoint's and, where they are others, its
/// base's and the adapter's.
std::vector<std::filesystem::path> checkpoint_sources(const std::filesystem::path& path,
                                                      const std::string& adapter = "");

/// Options of the adapter that load_checkpoint(path, adapter) uses, without a look at weights.  Throws
/// InvalidInput if there is none.
LoraOptions adapter_options(const std::filesystem::path& path, const std::string& adapter);

/// Adds a PEFT adapter's folder to the checkpoint and uses it.  name: letters, digits, "-" and "_".  Throws as
/// read_adapter(), and if the folder says that its base is another one.
void add_adapter(Checkpoint& checkpoint, const std::string& name, const std::filesystem::path& directory);

/// Writes the folder atomically.  With adapters: base weights (saves_base()) and each adapter in files of
/// their own.
/// What the card repeats of the model (sizes, ids, activation, logit scale) and config are taken from the
/// model itself.
void save_checkpoint(const std::filesystem::path& directory, const Checkpoint& checkpoint,
                     const FolderRules& rules = {}, const std::filesystem::path& stands_at = {});
/// The same into a folder that was claimed before the work; commits it.
void save_checkpoint(AtomicDirectory& folder, const Checkpoint& checkpoint, const std::filesystem::path& stands_at = {});

/// The card with everything filled in that follows from the model.
ModelCard card_of(const DualEncoder& model, ModelCard card);

/// Weights under Hugging Face's names into the model; left-over `position_ids` buffers are ignored.  Throws
/// InvalidInput naming file and tensor, with both shapes; warns of values that are not finite.
void load_weights(DualEncoder& model, const std::filesystem::path& safetensors);

/// Throws InvalidInput naming `where` unless the model can read what the tokenizer gives.
void require_fitting_tokenizer(const Tokenizer& tokenizer, const TextConfig& config,
                               const std::string& where);

/// Parameters and buffers by their names: the base's values, without the adapter.
NamedTensors model_tensors(const DualEncoder& model);
/// Hash of names, shapes and bytes, in whatever order they are given.
std::string tensors_hash(const NamedTensors& tensors);
/// Hash of all weights (adapter included) in float32, whatever type they are kept in: QuantizationRanges::weights.
std::string float_weights_hash(const DualEncoder& model);
/// Whether the checkpoint has ranges, of the weights that its model has now.
bool has_own_ranges(const Checkpoint& checkpoint);
/// Hash of all weights (adapter included), and of the tokens that are merged: model_hash of galleries.
std::string weights_hash(const DualEncoder& model);

}  // namespace edgeclip
