#include "model/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/artifact.h"
#include "base/atomic_output.h"
#include "base/build_info.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/signals.h"
#include "bundle/bundle.h"
#include "model/checkpoint_adapters.h"
#include "model/config/token_merging.h"
#include "model/config/tower_kinds.h"
#include "model/finite.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

constexpr const char* kTokenizer = "tokenizer";
constexpr const char* kRanges = "quantization.json";
constexpr const char* kMoreAdapters = "adapters";  ///< the folder of those that are not kUsualAdapter

bool is_adapter(const std::string& name) { return name.find(".lora_") != std::string::npos; }

bool is_position_ids(const std::string& name) {
  return name == "text_model.embeddings.position_ids" || name == "vision_model.embeddings.position_ids";
}

/// What the card repeats of the model must be the same, or the folder was put together from two.
void check_card(const ModelCard& card, const DualEncoder& model, const std::string& where) {
  Json said = options_to_json(card), is = options_to_json(card_of(model, card));
  said.erase("logit_scale");
  is.erase("logit_scale");
  for (const auto& [key, value] : is.items())
    if (said[key] != value)
      invalid_input("{}: card.{}: {} does not fit the model, which says {}", where, key, said[key].dump(),
                    value.dump());
}

}  // namespace

void require_fitting_tokenizer(const Tokenizer& tokenizer, const TextConfig& config,
                               const std::string& where) {
  if (tokenizer.vocab_size() > config.vocab_size)
    invalid_input("{}: has {} tokens, the model {}", where, tokenizer.vocab_size(), config.vocab_size);
  if (text_kind(config.model_type).masks_padding && tokenizer.pad_id() != config.pad_token_id)
    invalid_input("{}: pads texts with {}, the model masks {}", where, tokenizer.pad_id(),
                  config.pad_token_id);
  if (tokenizer.begin_id() != config.bos_token_id || tokenizer.end_id() != config.eos_token_id)
    invalid_input("{}: begins texts with {} and ends them with {}, the model with {} and {}", where,
                  tokenizer.begin_id(), tokenizer.end_id(), config.bos_token_id, config.eos_token_id);
}

NamedTensors model_tensors(const DualEncoder& model) {
  NamedTensors tensors;
  for (const auto& item : model->named_parameters())
    if (!is_adapter(item.key()))
      tensors.emplace_back(item.key(), alias_tensor(model->adapters.base_value(item.key(), item.value())));
  for (const auto& item : model->named_buffers()) tensors.emplace_back(item.key(), alias_tensor(item.value()));
  return tensors;
}

std::string tensors_hash(const NamedTensors& tensors) {
  std::set<std::string> lines;
  for (const auto& [name, tensor] : tensors)
    lines.insert(fmt::format("{} {} {}\n", name, shape_string(tensor.shape()),
                             hash_bytes(tensor.raw(), tensor.bytes())));
  std::string text;
  for (const auto& line : lines) text += line;
  return hash_text(text);
}

std::string weights_hash(const DualEncoder& model) {
  NamedTensors tensors;
  for (const auto& item : model->named_parameters())
    tensors.emplace_back(item.key(), alias_tensor(item.value()));
  for (const auto& item : model->named_buffers()) tensors.emplace_back(item.key(), alias_tensor(item.value()));
  if (const VisionConfig& vision = model->config.vision; merges_tokens(vision)) {
    std::vector<std::int64_t> merged = {vision.proportional_attention ? 1 : 0};
    for (int layer = 0; layer < vision.num_hidden_layers; ++layer) merged.push_back(merged_in(vision, layer));
    tensors.emplace_back("token_merging", Tensor::from<std::int64_t>({static_cast<std::int64_t>(merged.size())}, merged));
  }
  return tensors_hash(tensors);
}

std::string float_weights_hash(const DualEncoder& model) {
  NamedTensors tensors;
  for (const auto& item : model->named_parameters())
    tensors.emplace_back(item.key(), alias_tensor(item.value().detach().to(torch::kFloat)));
  for (const auto& item : model->named_buffers()) tensors.emplace_back(item.key(), alias_tensor(item.value()));
  return tensors_hash(tensors);
}

bool has_own_ranges(const Checkpoint& checkpoint) {
  return checkpoint.ranges && checkpoint.ranges->weights == float_weights_hash(checkpoint.model);
}

ModelCard card_of(const DualEncoder& model, ModelCard card) {
  const ModelConfig& config = model->config;
  card.image.height = config.vision.image_height;
  card.image.width = config.vision.image_width;
  card.context_length = config.text.max_position_embeddings;
  card.vocab_size = config.text.vocab_size;
  card.begin_id = config.text.bos_token_id;
  card.end_id = config.text.eos_token_id;
  card.pad_id = config.text.pad_token_id;
  card.embedding_dim = config.projection_dim;
  card.logit_scale = std::exp(model->logit_scale.item<double>());
  card.activation = config.text.activation();
  return card;
}

void load_weights(DualEncoder& model, const fs::path& safetensors) {
  const SafetensorsFile file(safetensors);
  const torch::NoGradGuard no_grad;
  std::set<std::string> used;
  std::vector<std::string> not_finite;
  const auto load = [&](const std::string& name, torch::Tensor& value) {
    throw_if_interrupted();
    const Tensor tensor = file.get(name);
    const Shape shape(value.sizes().begin(), value.sizes().end());
    const bool floats =
        tensor.dtype() == DType::f32 || tensor.dtype() == DType::f16 || tensor.dtype() == DType::bf16;
    const bool fits = value.is_floating_point() ? floats : tensor.dtype() == DType::i64;
    if (tensor.shape() != shape || !fits)
      invalid_input("{}: tensor \"{}\" is {} {}, the model needs {} {}", file.file(), name,
                    dtype_name(tensor.dtype()), shape_string(tensor.shape()),
                    value.is_floating_point() ? "float32" : "int64", shape_string(shape));
    value.copy_(from_tensor(tensor.view()));
    if (!all_finite(value)) not_finite.push_back(name);
    used.insert(name);
  };
  for (auto& item : model->named_parameters())
    if (!is_adapter(item.key())) load(item.key(), item.value());
  for (auto& item : model->named_buffers()) load(item.key(), item.value());
  for (const auto& name : file.names())
    if (!used.count(name) && !is_position_ids(name))
      invalid_input("{}: tensor \"{}\" {} belongs to no part of the model", file.file(), name,
                    shape_string(file.get(name).shape()));
  warn_of_not_finite(not_finite, file.file());
}

fs::path checkpoint_folder(const fs::path& path) {
  require_directory(path, "checkpoint");
  if (fs::exists(path / kCheckpointFile) || !is_artifact_head(path / "run.json")) return path;
  const fs::path best = path / "best";
  if (!fs::exists(best / kCheckpointFile))
    invalid_input("{}: is a run folder that has no best checkpoint yet; train on with --resume",
                  path.string());
  return best;
}

namespace {

Json read_head(const fs::path& directory) {
  const fs::path file = directory / kCheckpointFile;
  if (fs::exists(file) && !is_artifact_head(file) && read_json(file).contains("model_type"))
    invalid_input("{}: a Hugging Face model, not a checkpoint; make one of it with edgeclip import",
                  file.string());
  return read_artifact_head(file, kCheckpointFormats, "train it again");
}

CheckpointHead parse_head(const Json& json, const std::string& where) {
  CheckpointHead head;
  options_from_json(json_at(json, "model", where), head.config, where + ": model");
  head.config.validate(where + ": model.");
  options_from_json(json_at(json, "card", where), head.card, where + ": card");
  return head;
}

}  // namespace

CheckpointHead read_checkpoint_head(const fs::path& path) {
  const fs::path directory = checkpoint_folder(path);
  return parse_head(read_head(directory), (directory / kCheckpointFile).string());
}

std::vector<fs::path> checkpoint_sources(const fs::path& path, const std::string& adapter) {
  const fs::path directory = checkpoint_folder(path);
  std::vector<fs::path> sources = {directory};
  const Json json = read_head(directory);
  if (json.contains("base"))
    sources.push_back(find_base(json["base"], directory, (directory / kCheckpointFile).string()).directory);
  if (!adapter.empty() && fs::is_directory(adapter)) sources.emplace_back(adapter);
  return sources;
}

namespace {

/// Weights of their own, or another checkpoint's.
CheckpointBase base_of(const Json& json, const fs::path& directory, const std::string& where) {
  const Json& files = json_at(json, "files", where);
  check_file_table(directory, files, where);
  if (json.contains("base")) return find_base(json["base"], directory, where);
  if (!files.contains(kWeightsFile))
    invalid_input("{}: files: {} is not listed; copy the checkpoint again", where, kWeightsFile);
  return {directory, json_get<std::string>(files[kWeightsFile], "xxh3", where)};
}

/// What adapters that were trained on such a base saw of it.
void round_matrices(DualEncoder& model) {
  const torch::NoGradGuard no_grad;
  for (auto& parameter : model->parameters())
    if (parameter.dim() >= 2) parameter.copy_(parameter.to(torch::kBFloat16));
}

}  // namespace

Checkpoint load_checkpoint(const fs::path& path, const std::string& adapter,
                           const std::function<void(ModelConfig&)>& change) {
  const fs::path directory = checkpoint_folder(path);
  if (directory != path)
    spdlog::info("{}: is a run folder; its checkpoint {} is used", path.string(), directory.string());
  const std::string where = (directory / kCheckpointFile).string();
  const Json json = read_head(directory);

  Checkpoint checkpoint;
  checkpoint.directory = directory;
  checkpoint.base = base_of(json, directory, where);
  CheckpointHead head = parse_head(json, where);
  checkpoint.config = std::move(head.config);
  if (change) {
    change(checkpoint.config);
    checkpoint.config.validate("model.");
  }
  checkpoint.card = std::move(head.card);
  checkpoint.provenance = json_at(json, "provenance", where);

  const fs::path weights = checkpoint.base->directory / kWeightsFile;
  const auto bytes = static_cast<double>(fs::file_size(weights));
  const double least = least_weight_bytes(checkpoint.config) / 2;  // a bf16 base
  if (bytes < least)
    invalid_input("{}: has {:.0f} bytes, the model in {} needs at least {:.0f}", weights.string(), bytes, where,
                  least);
  checkpoint.model = DualEncoder(checkpoint.config);
  load_weights(checkpoint.model, weights);
  if (checkpoint.base->bf16) round_matrices(checkpoint.model);
  add_saved_adapters(checkpoint, json, where);
  check_card(checkpoint.card, checkpoint.model, where);
  use_adapter(checkpoint, adapter);
  if (fs::exists(directory / kTokenizer)) {
    checkpoint.tokenizer = load_tokenizer((directory / kTokenizer).string());
    require_fitting_tokenizer(*checkpoint.tokenizer, checkpoint.config.text,
                              (directory / kTokenizer).string());
  }
  if (fs::exists(directory / kRanges)) checkpoint.ranges = QuantizationRanges::read(directory / kRanges);
  checkpoint.model->eval();
  return checkpoint;
}

namespace {

/// The lowest one whose readers see what is there: those of format 1 look for weights in the folder, and for one
/// adapter, which they use.
int format_of(const Checkpoint& checkpoint) {
  const AdapterSet& adapters = checkpoint.model->adapters;
  const bool plain = adapters.empty() || (adapters.names() == std::vector<std::string>{kUsualAdapter} &&
                                          adapters.used() == kUsualAdapter);
  return checkpoint.saves_base() && plain ? kCheckpointFormats.oldest : kCheckpointFormats.newest;
}

}  // namespace

void save_checkpoint(const fs::path& directory, const Checkpoint& checkpoint, const FolderRules& rules,
                     const fs::path& stands_at) {
  AtomicDirectory folder(directory, kCheckpointFile, rules);
  save_checkpoint(folder, checkpoint, stands_at);
}

void save_checkpoint(AtomicDirectory& out, const Checkpoint& checkpoint, const fs::path& stands_at) {
  Json json = Json::object();
  json["format"] = format_of(checkpoint);
  json["edgeclip"] = version();
  json["model"] = options_to_json(checkpoint.model->config);
  json["card"] = options_to_json(card_of(checkpoint.model, checkpoint.card));
  if (checkpoint.saves_base())
    write_safetensors(out.work() / kWeightsFile, model_tensors(checkpoint.model), {{"format", "pt"}});
  else
    json["base"] = base_json(base_as_used(checkpoint), stands_at.empty() ? out.work() : stands_at);
  save_adapters(checkpoint, out.work(), json);
  if (checkpoint.tokenizer) checkpoint.tokenizer->save(out.work() / kTokenizer);
  if (has_own_ranges(checkpoint)) checkpoint.ranges->write(out.work() / kRanges);
  json["provenance"] = checkpoint.provenance;
  json["files"] = file_table(out.work(), kCheckpointFile);
  write_json(out.work() / kCheckpointFile, json);
  out.commit();
}

}  // namespace edgeclip
