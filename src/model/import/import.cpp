#include "model/import/import.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "base/log.h"
#include "model/finite.h"
#include "model/import/join.h"
#include "model/import/weight_loader.h"
#include "model/parameter_count.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

/// The folder's own tokenizer, or the one that the options name; null if there is none.
std::shared_ptr<const Tokenizer> tokenizer_of(const ImportPart& text, const ImportOptions& options) {
  std::string spec = options.tokenizer;
  std::error_code error;
  if (spec.empty() && fs::is_directory(text.path, error))
    for (const char* name : {"tokenizer.json", "vocab.json", "vocab.txt"})
      if (fs::exists(fs::path(text.path) / name, error)) spec = text.path;
  if (spec.empty() && !options.convention.empty())
    invalid_input("convention: {}: {} has no tokenizer beside it; name one with tokenizer",
                  options.convention, text.path);
  return spec.empty() ? nullptr : load_tokenizer(spec, options.convention);
}

/// The ids that the text tower shares with its tokenizer.
void settle_tokens(const ImportPart& text, const Tokenizer* tokenizer, const ImportOptions& options,
                   TextConfig& config) {
  if (tokenizer != nullptr) {
    config.pad_token_id = tokenizer->pad_id();
    if (text.model.ends_of_tokenizer) {
      config.bos_token_id = tokenizer->begin_id();
      config.eos_token_id = tokenizer->end_id();
    }
    require_fitting_tokenizer(*tokenizer, config, options.tokenizer.empty() ? text.path : options.tokenizer);
  } else if (text.model.ends_of_tokenizer &&
             std::max(config.bos_token_id, config.eos_token_id) >= config.vocab_size) {
    invalid_input(
        "{}: has no tokenizer beside it, and vocab_size {} is too small for the usual ids {} and {}; "
        "name its --tokenizer",
        text.described_by, config.vocab_size, config.bos_token_id, config.eos_token_id);
  }
}

/// A damaged description must not make us allocate the machine's memory.
void require_enough_bytes(ImportParts& parts, const ModelConfig& config) {
  ModelConfig towers = config;
  towers.visual_projection.model_type = towers.text_projection.model_type = "linear";
  towers.projection_dim = 0;  // heads may be new
  double bytes = least_weight_bytes(towers);
  if (parts.image().gives_part(kImageHead)) bytes += 4.0 * config.vision.width() * config.projection_dim;
  if (parts.text().gives_part(kTextHead)) bytes += 4.0 * config.text.hidden_size * config.projection_dim;
  bytes /= 2;  // weights may be of half the width that the model has
  if (static_cast<double>(parts.bytes()) >= bytes) return;
  std::string files, descriptions;
  for (const auto& part : parts.all()) {
    files += (files.empty() ? "" : " and ") + part.weights.where();
    descriptions += (descriptions.empty() ? "" : " and ") + part.described_by;
  }
  invalid_input("{}: has {} bytes, the model of {} needs at least {:.0f}", files, parts.bytes(), descriptions,
                bytes);
}

/// Draws the heads that no part gives.  Returns the names of all parameters that none gives.
std::vector<std::string> initialize_rest(DualEncoder& model, const ImportParts& parts, std::uint64_t seed) {
  std::string rest;
  const auto is_given = [&](std::string_view name) {
    return std::any_of(parts.all().begin(), parts.all().end(),
                       [&](const auto& part) { return part.gives_part(name); });
  };
  for (const char* name : {kImageHead, kTextHead, kScale})
    if (!is_given(name)) rest += (rest.empty() ? "" : ", ") + std::string(name);
  if (rest.empty()) return {};
  torch::manual_seed(seed);
  if (!is_given(kImageHead)) model->visual_projection.initialize();
  if (!is_given(kTextHead)) model->text_projection.initialize();
  spdlog::warn("{}: in no file, newly initialized (seed {}); train the model before you use it", rest, seed);
  std::vector<std::string> names;
  for (const auto& item : model->named_parameters())
    if (!is_given(item.key().substr(0, item.key().find('.')))) names.push_back(item.key());
  return names;
}

void warn_of_unused(const std::vector<std::string>& names, const ImportPart& part) {
  for (const auto& name : names)
    spdlog::warn("{}: tensor \"{}\" belongs to no part of the model and is left out", part.weights.where(),
                 name);
}

/// Copies all parts' weights and says in the report what became of each tensor.
void load_parts(DualEncoder& model, const ImportParts& parts, const ImportOptions& options, Json& report) {
  std::string source;
  std::size_t tensors = 0;
  for (const char* key : {"unused", "ignored", "not_finite", "initialized"}) report[key] = Json::array();
  const auto add = [&](const char* key, const std::vector<std::string>& names) {
    for (const auto& name : names) report[key].push_back(name);
  };
  for (const auto& part : parts.all()) {
    const LoadedWeights loaded = load_part(model, part, options);
    if (!loaded.unused.empty() &&
        !options.leave_out_extra)  // another architecture, perhaps, computes with it
      invalid_input(
          "{}: tensor \"{}\"{} belongs to no part of the model; --leave-out-extra imports the rest",
          part.weights.where(), loaded.unused.front(),
          loaded.unused.size() > 1 ? fmt::format(" (and {} others)", loaded.unused.size() - 1) : "");
    add("unused", loaded.unused);
    add("ignored", loaded.ignored);
    add("not_finite", loaded.not_finite);
    add("initialized", loaded.counters);
    warn_of_unused(loaded.unused, part);
    warn_of_not_finite(loaded.not_finite, part.weights.where());
    source += (source.empty() ? "" : " + ") + std::string(part.source->name);
    tensors += part.weights.names().size();
  }
  add("initialized", initialize_rest(model, parts, options.seed));
  report["source"] = source;
  report["tensors"] = tensors;
}

void write_history(Checkpoint& checkpoint, const ImportParts& parts, const ImportOptions& options,
                   const Json& report) {
  std::string origin;
  for (const auto& part : parts.all())
    origin += fmt::format("{}{} ({})", origin.empty() ? "" : " and ", part.file_name(), part.source->what);
  checkpoint.card.provenance = "imported from " + origin;
  Json entry = {{"command", "import"}};
  const std::pair<const char*, std::string> paths[] = {
      {"from", options.from}, {"image", options.image}, {"text", options.text}, {"adapter", options.adapter}};
  for (const auto& [key, path] : paths)
    if (!path.empty()) entry[key] = path;
  entry["source"] = report["source"];
  if (!report["initialized"].empty()) entry["seed"] = options.seed;
  checkpoint.provenance.push_back(entry);
}

Json name_or_null(const std::string& name) { return name.empty() ? Json(nullptr) : Json(name); }

}  // namespace

void ImportOptions::validate(const std::string& where) const {
  constexpr int kMostPixels = 8192;
  for (const int size : {image_height, image_width})
    if (size < 0 || size > kMostPixels)
      invalid_input("{}image_height and image_width: must be 0 to {}, found {}", where, kMostPixels, size);
  if (projection_dim < 0 || projection_dim > kMostDimensions)
    invalid_input("{}projection_dim: must be 0 to {}, found {}", where, kMostDimensions, projection_dim);
  if (!from.empty() && (!image.empty() || !text.empty()))
    invalid_input("{}from: names both towers; give it alone, or image and text without it", where);
  if (image.empty() != text.empty())
    invalid_input("{}{}: names one tower; {} is needed too", where, image.empty() ? "text" : "image",
                  image.empty() ? "image" : "text");
  if (position_rule != ImportOptions().position_rule && image_height == 0 && image_width == 0)
    invalid_input("{}position_rule: has no effect without image_height or image_width", where);
  if (!model_config.empty() && from.empty() && !image.empty())
    invalid_input("{}model_config: goes with from; lay the file beside the weights of its tower", where);
}

Checkpoint import_model(const ImportOptions& options, Json* report) {
  options.validate("");
  if (options.from.empty() && options.image.empty())
    invalid_input("from, or image and text, must name the weights");
  ImportParts parts(options);
  Checkpoint checkpoint;
  checkpoint.config = join_parts(parts, options);
  require_enough_bytes(parts, checkpoint.config);
  checkpoint.card.image = parts.image().model.image;
  const std::string processor =
      settle_images(parts.image(), options, checkpoint.config.vision, checkpoint.card.image);
  checkpoint.tokenizer = tokenizer_of(parts.text(), options);
  settle_tokens(parts.text(), checkpoint.tokenizer.get(), options, checkpoint.config.text);

  checkpoint.model = DualEncoder(checkpoint.config);
  *report = Json::object();
  load_parts(checkpoint.model, parts, options, *report);
  (*report)["parameters"] = parameter_count(*checkpoint.model);
  (*report)["image_processor"] = name_or_null(processor);
  (*report)["adapter"] = name_or_null(options.adapter);
  if (!options.adapter.empty()) add_adapter(checkpoint, "default", options.adapter);
  checkpoint.model->eval();
  checkpoint.card = card_of(checkpoint.model, checkpoint.card);
  write_history(checkpoint, parts, options, *report);
  return checkpoint;
}

}  // namespace edgeclip
