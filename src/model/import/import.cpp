#include "model/import/import.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/signals.h"
#include "model/import/position_embedding.h"
#include "model/import/source.h"

namespace edgeclip {

namespace fs = std::filesystem;

const std::vector<WeightSource>& weight_sources() {
  static const std::vector<WeightSource> sources = {huggingface_source(), open_clip_source()};
  return sources;
}

namespace {

constexpr const char* kPositions = "vision_model.embeddings.position_embedding.weight";

const WeightSource& source_of(const Weights& weights) {
  const auto& sources = weight_sources();
  const auto found =
      std::find_if(sources.begin(), sources.end(), [&](const auto& s) { return s.fits(weights); });
  if (found != sources.end()) return *found;
  std::string known;
  for (const auto& source : sources) known += (known.empty() ? "" : ", ") + std::string(source.what);
  invalid_input("{}: its tensors ({}, ...) have the names of no library that is imported ({})",
                weights.where(), weights.names().front(), known);
}

/// The library's file about the architecture, or null.
Json config_of(const WeightSource& source, const ImportOptions& options, std::string* where) {
  fs::path file = options.model_config;
  std::error_code error;
  if (file.empty()) {
    const fs::path folder =
        fs::is_directory(options.from, error) ? fs::path(options.from) : fs::path(options.from).parent_path();
    for (const auto& name : source.config_files)
      if (file.empty() && fs::is_regular_file(folder / name, error)) file = folder / name;
  }
  if (file.empty()) return nullptr;
  require_file(file, "model configuration");
  *where = file.string();
  return read_json(file);
}

class WeightLoader {
 public:
  WeightLoader(DualEncoder& model, const Weights& weights, const ImportOptions& options)
      : weights_(weights), options_(options), vision_(model->config.vision) {
    for (auto& item : model->named_parameters()) {
      names_.push_back(item.key());
      parameters_[item.key()] = item.value();
    }
  }

  void load(const WeightSource& source) {
    const torch::NoGradGuard no_grad;
    for (const auto& name : weights_.names()) {
      throw_if_interrupted();
      const RuleMatch match = match_rule(source.rules(), name);
      const Change change = match.rule == nullptr ? Change::kNone : match.rule->change;
      const std::string target = match.rule == nullptr ? name : match.target;
      if (change == Change::kIgnore) {
        ignored_.push_back(name);
      } else if (change == Change::kSplitQkv) {
        load_fused(name, target);
      } else if (parameters_.count(target) == 0) {
        unused_.push_back(name);
      } else {
        torch::Tensor tensor = read(name);
        if (change == Change::kTranspose) {
          if (tensor.dim() != 2) wrong_shape(name, tensor, "two dimensions");
          tensor = tensor.t();
        }
        assign(name, target, tensor);
      }
    }
    std::vector<std::string> missing;
    for (const auto& name : names_)
      if (loaded_.count(name) == 0) missing.push_back(name);
    if (!missing.empty())
      invalid_input("{}: tensor \"{}\" is missing{}", weights_.where(), source_name(source, missing.front()),
                    missing.size() > 1 ? fmt::format(", and {} others", missing.size() - 1) : "");
  }

  Json report() const {
    return {{"tensors", weights_.names().size()},
            {"unused", unused_},
            {"ignored", ignored_},
            {"not_finite", not_finite_}};
  }

 private:
  torch::Tensor read(const std::string& name) {
    torch::Tensor tensor = from_tensor(weights_.get(name).view()).to(torch::kFloat);
    if (!torch::isfinite(tensor).all().item<bool>()) not_finite_.push_back(name);
    return tensor;
  }
  [[noreturn]] void wrong_shape(const std::string& name, const torch::Tensor& tensor,
                                const std::string& needed) const {
    invalid_input("{}: tensor \"{}\" is {}, the model needs {}", weights_.where(), name,
                  shape_string(Shape(tensor.sizes().begin(), tensor.sizes().end())), needed);
  }
  void assign(const std::string& name, const std::string& target, torch::Tensor tensor) {
    torch::Tensor& parameter = parameters_.at(target);
    if (target == kPositions && tensor.dim() == 2 && tensor.sizes() != parameter.sizes() &&
        tensor.size(1) == parameter.size(1))
      tensor = resize_position_embedding(tensor, vision_.image_height / vision_.patch_size,
                                         vision_.image_width / vision_.patch_size, options_.position_rule);
    if (tensor.sizes() != parameter.sizes())
      wrong_shape(name, tensor, shape_string(Shape(parameter.sizes().begin(), parameter.sizes().end())));
    if (!loaded_.emplace(target, name).second)
      invalid_input("{}: tensors \"{}\" and \"{}\" are the same part of the model", weights_.where(),
                    loaded_.at(target), name);
    parameter.copy_(tensor);
  }
  void load_fused(const std::string& name, const std::string& target) {
    const auto star = target.find('*');
    const auto part = [&](char letter) { return std::string(target).replace(star, 1, 1, letter); };
    if (parameters_.count(part('q')) == 0) {
      unused_.push_back(name);
      return;
    }
    const torch::Tensor fused = read(name);
    if (fused.dim() < 1 || fused.size(0) % 3 != 0) wrong_shape(name, fused, "three parts of equal size");
    const auto parts = fused.chunk(3, 0);
    for (std::size_t i = 0; i < 3; ++i) assign(name, part("qkv"[i]), parts[i]);
  }
  /// What the source calls a parameter of ours; ours if no rule leads there.
  static std::string source_name(const WeightSource& source, const std::string& target);

  const Weights& weights_;
  const ImportOptions& options_;
  const VisionConfig vision_;
  std::vector<std::string> names_, unused_, ignored_, not_finite_;
  std::map<std::string, torch::Tensor> parameters_;
  std::map<std::string, std::string> loaded_;  ///< ours to the source's
};

std::string WeightLoader::source_name(const WeightSource& source, const std::string& target) {
  for (const auto& rule : source.rules()) {
    std::vector<std::string> targets = {rule.to};
    if (const auto star = targets[0].find('*'); star != std::string::npos) {
      const std::string pattern = targets[0];
      targets.clear();
      for (const char letter : {'q', 'k', 'v'})
        targets.push_back(std::string(pattern).replace(star, 1, 1, letter));
    }
    for (const auto& to : targets) {
      const std::vector<NameRule> reversed = {{to.c_str(), rule.from}};
      if (const RuleMatch match = match_rule(reversed, target); match.rule != nullptr) return match.target;
    }
  }
  return target;
}

}  // namespace

Checkpoint import_model(const ImportOptions& options, Json* report) {
  const Weights weights = Weights::open(options.from);
  const WeightSource& source = source_of(weights);
  std::string where;
  const Json config = config_of(source, options, &where);
  ImportedModel described = source.describe(weights, config, where);
  VisionConfig& vision = described.config.vision;
  if (options.image_height > 0) vision.image_height = options.image_height;
  if (options.image_width > 0) vision.image_width = options.image_width;
  if (vision.image_height != vision.image_width)
    described.image.resize = "stretch";  // a crop would lose half a person
  described.config.validate((where.empty() ? weights.where() : where) + ": ");

  Checkpoint checkpoint;
  checkpoint.card.image = described.image;
  std::error_code error;
  const bool folder = fs::is_directory(options.from, error);
  const bool own = folder && (fs::exists(fs::path(options.from) / "tokenizer.json", error) ||
                              fs::exists(fs::path(options.from) / "vocab.json", error));
  if (!options.tokenizer.empty() || own)
    checkpoint.tokenizer =
        load_tokenizer(options.tokenizer.empty() ? options.from : options.tokenizer, options.convention);
  if (checkpoint.tokenizer) described.config.text.pad_token_id = checkpoint.tokenizer->pad_id();
  checkpoint.config = described.config;
  const std::string described_by = where.empty() ? weights.where() : where;
  if (checkpoint.tokenizer)
    require_fitting_tokenizer(*checkpoint.tokenizer, checkpoint.config.text,
                              options.tokenizer.empty() ? options.from : options.tokenizer);
  // Weights may be of half the width that the model has.
  if (2.0 * static_cast<double>(weights.bytes()) < least_weight_bytes(checkpoint.config))
    invalid_input("{}: has {} bytes, the model of {} needs at least {:.0f}", weights.where(), weights.bytes(),
                  described_by, least_weight_bytes(checkpoint.config) / 2);
  checkpoint.model = DualEncoder(checkpoint.config);
  WeightLoader loader(checkpoint.model, weights, options);
  loader.load(source);
  checkpoint.model->eval();
  *report = loader.report();
  (*report)["source"] = source.name;
  std::int64_t parameters = 0;
  for (const auto& parameter : checkpoint.model->parameters()) parameters += parameter.numel();
  (*report)["parameters"] = parameters;
  for (const auto& [key, what] : {std::pair{"unused", "belongs to no part of the model and is left out"},
                                  std::pair{"not_finite", "holds values that are not finite"}})
    for (const auto& name : (*report)[key])
      spdlog::warn("{}: tensor \"{}\" {}", weights.where(), name.get<std::string>(), what);
  checkpoint.card = card_of(checkpoint.model, checkpoint.card);
  checkpoint.card.provenance =
      fmt::format("imported from {} ({})", fs::path(options.from).filename().string(), source.what);
  checkpoint.provenance.push_back({{"command", "import"}, {"from", options.from}, {"source", source.name}});
  return checkpoint;
}

}  // namespace edgeclip
