#include "model/import/weight_loader.h"

#include <cmath>
#include <map>

#include "base/error.h"
#include "base/signals.h"
#include "model/finite.h"
#include "model/import/position_embedding.h"
#include "model/tensors.h"

namespace edgeclip {

namespace {

constexpr const char* kPositions = "vision_model.embeddings.position_embedding.weight";

std::string first_component(const std::string& name) { return name.substr(0, name.find('.')); }

bool is_float(DType type) {
  return type == DType::f32 || type == DType::f16 || type == DType::bf16 || type == DType::f64;
}

/// Files of PyTorch before 0.4.1 have none, and with a momentum nothing is computed from it.
bool is_counter(const std::string& name) {
  const std::string end = ".num_batches_tracked";
  return name.size() > end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
}

class WeightLoader {
 public:
  WeightLoader(DualEncoder& model, const ImportPart& part, const ImportOptions& options)
      : part_(part), weights_(part.weights), vision_(model->config.vision), options_(options) {
    const auto add = [&](const auto& items) {
      for (const auto& item : items) {
        if (!part.gives_part(first_component(item.key()))) continue;
        names_.push_back(item.key());
        values_[item.key()] = item.value();
      }
    };
    add(model->named_parameters());
    add(model->named_buffers());
  }

  LoadedWeights load() {
    const torch::NoGradGuard no_grad;
    for (const auto& name : weights_.names()) {
      throw_if_interrupted();
      take(name);
    }
    require_all();
    const auto& beside = weights_.left_out();
    report_.ignored.insert(report_.ignored.end(), beside.begin(), beside.end());
    return std::move(report_);
  }

 private:
  void take(const std::string& name) {
    const RuleMatch match = match_rule(part_.source->rules(), name);
    const Change change = match.rule == nullptr ? Change::kNone : match.rule->change;
    const std::string target = match.rule == nullptr ? name : match.target;
    if (change == Change::kIgnore || is_of_other_part(target))
      report_.ignored.push_back(name);
    else if (change == Change::kSplitQkv)
      take_fused(name, target);
    else if (values_.count(target) == 0)
      report_.unused.push_back(name);
    else if (change == Change::kTranspose)
      assign(name, target, transposed(name, read(name, target)));
    else
      assign(name, target, read(name, target));
  }
  /// A part of a dual encoder that is taken from elsewhere.
  bool is_of_other_part(const std::string& target) const {
    const std::string first = first_component(target);
    for (const char* part : {kImageTower, kTextTower, kImageHead, kTextHead, kScale})
      if (first == part) return !part_.gives_part(first);
    return false;
  }
  void take_fused(const std::string& name, const std::string& target) {
    const auto star = target.find('*');
    const auto third = [&](char letter) { return std::string(target).replace(star, 1, 1, letter); };
    if (values_.count(third('q')) == 0) {
      report_.unused.push_back(name);
      return;
    }
    const torch::Tensor fused = read(name, third('q'));
    if (fused.dim() < 1 || fused.size(0) % 3 != 0) wrong_shape(name, fused, "three parts of equal size");
    const auto parts = fused.chunk(3, 0);
    for (std::size_t i = 0; i < 3; ++i) assign(name, third("qkv"[i]), parts[i]);
  }
  torch::Tensor transposed(const std::string& name, const torch::Tensor& tensor) const {
    if (tensor.dim() != 2) wrong_shape(name, tensor, "two dimensions");
    return tensor.t();
  }

  /// In the type of target, which stays: float32, or int64 of a counter.
  torch::Tensor read(const std::string& name, const std::string& target) {
    const torch::Tensor& value = values_.at(target);
    const Tensor stored = weights_.get(name);
    if (value.is_floating_point() ? !is_float(stored.dtype()) : stored.dtype() != DType::i64)
      invalid_input("{}: tensor \"{}\" is {}, the model needs {}", weights_.where(), name,
                    dtype_name(stored.dtype()), value.is_floating_point() ? "floating point" : "int64");
    const torch::Tensor tensor = from_tensor(stored.view()).to(value.scalar_type());
    if (!all_finite(tensor)) report_.not_finite.push_back(name);
    return tensor;
  }
  void assign(const std::string& name, const std::string& target, torch::Tensor tensor) {
    torch::Tensor& value = values_.at(target);
    const bool asked = options_.image_height > 0 || options_.image_width > 0;
    if (target == kPositions && asked && tensor.dim() == 2 && tensor.sizes() != value.sizes() &&
        tensor.size(1) == value.size(1)) {
      const auto side = std::llround(std::sqrt(static_cast<double>(tensor.size(0) - 1)));
      if (side * side + 1 != tensor.size(0))
        wrong_shape(name, tensor, "1 + a square number of rows to be resized");
      tensor = resize_position_embedding(tensor, vision_.image_height / vision_.patch_size,
                                         vision_.image_width / vision_.patch_size, options_.position_rule);
    }
    if (tensor.sizes() != value.sizes())
      wrong_shape(name, tensor, shape_string(Shape(value.sizes().begin(), value.sizes().end())));
    if (!loaded_.emplace(target, name).second)
      invalid_input("{}: tensors \"{}\" and \"{}\" are the same part of the model", weights_.where(),
                    loaded_.at(target), name);
    value.copy_(tensor);
  }
  [[noreturn]] void wrong_shape(const std::string& name, const torch::Tensor& tensor,
                                const std::string& needed) const {
    invalid_input("{}: tensor \"{}\" is {}, the model needs {}", weights_.where(), name,
                  shape_string(Shape(tensor.sizes().begin(), tensor.sizes().end())), needed);
  }

  void require_all() {
    std::vector<std::string> missing;
    for (const auto& name : names_)
      if (loaded_.count(name) == 0) (is_counter(name) ? report_.counters : missing).push_back(name);
    if (!missing.empty())
      invalid_input("{}: tensor \"{}\" is missing{}", weights_.where(), source_name(missing.front()),
                    missing.size() > 1 ? fmt::format(", and {} others", missing.size() - 1) : "");
  }
  /// What the file would call a parameter of ours; ours if no rule leads there.
  std::string source_name(const std::string& target) const {
    std::string found;
    for (const auto& rule : part_.source->rules()) {
      std::vector<std::string> targets = {rule.to};
      if (const auto star = targets[0].find('*'); star != std::string::npos) {
        const std::string pattern = targets[0];
        targets.clear();
        for (const char letter : {'q', 'k', 'v'})
          targets.push_back(std::string(pattern).replace(star, 1, 1, letter));
      }
      for (const auto& to : targets) {
        const std::vector<NameRule> reversed = {{to.c_str(), rule.from}};
        const RuleMatch match = match_rule(reversed, target);
        if (match.rule == nullptr) continue;
        if (has_names_like(match.target)) return match.target;
        if (found.empty()) found = match.target;
      }
    }
    return found.empty() ? target : found;
  }
  /// A source may have several names for one parameter: a file's own are those whose beginnings it has.
  bool has_names_like(const std::string& name) const {
    const std::string first = first_component(name);
    return std::any_of(weights_.names().begin(), weights_.names().end(),
                       [&](const auto& other) { return first_component(other) == first; });
  }

  const ImportPart& part_;
  const Weights& weights_;
  const VisionConfig vision_;
  const ImportOptions& options_;
  std::vector<std::string> names_;               ///< ours that the part must give
  std::map<std::string, torch::Tensor> values_;  ///< their parameters and buffers
  std::map<std::string, std::string> loaded_;    ///< ours to the source's
  LoadedWeights report_;
};

}  // namespace

LoadedWeights load_part(DualEncoder& model, const ImportPart& part, const ImportOptions& options) {
  return WeightLoader(model, part, options).load();
}

}  // namespace edgeclip
