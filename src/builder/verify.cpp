#include "builder/verify.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/median.h"
#include "base/safetensors.h"
#include "base/signals.h"
#include "builder/import/onnx_import.h"
#include "builder/passes/passes.h"
#include "builder/verify_layers.h"
#include "bundle/bundle.h"
#include "engine/runtime/session.h"

namespace edgeclip::builder {

using namespace engine;
namespace {

struct Difference {
  double max_abs = 0;
  double cosine = 1;  ///< of the worst row
  std::vector<double> rows{};  ///< cosine of each
};

/// NaN anywhere gives NaN, which no tolerance admits.
Difference compare(const Tensor& expected, const Tensor& actual) {
  Difference out;
  const std::int64_t width = expected.shape().back();
  const float *e = expected.data<float>(), *a = actual.data<float>();
  for (std::int64_t row = 0; row < expected.elements() / std::max<std::int64_t>(width, 1); ++row) {
    double dot = 0, ee = 0, aa = 0;
    for (std::int64_t i = row * width; i < (row + 1) * width; ++i) {
      const double difference = std::abs(static_cast<double>(e[i]) - a[i]);
      if (!(difference <= out.max_abs)) out.max_abs = std::isnan(out.max_abs) ? out.max_abs : difference;
      dot += static_cast<double>(e[i]) * a[i];
      ee += static_cast<double>(e[i]) * e[i];
      aa += static_cast<double>(a[i]) * a[i];
    }
    const double cosine = dot / std::sqrt(ee * aa);
    if (!(cosine >= out.cosine)) out.cosine = std::isnan(out.cosine) ? out.cosine : cosine;
    out.rows.push_back(cosine);
  }
  return out;
}

using Run = std::function<Tensor(const TensorView&)>;

/// An ONNX file of the bundle, as it was imported, optimized as for a plan.
Run run_onnx(Graph graph, const std::filesystem::path& file) {
  optimize(graph);
  if (graph.inputs.size() != 1 || graph.outputs.size() != 1)
    invalid_input("{}: has {} inputs and {} outputs instead of one each; export the bundle again",
                  file.string(), graph.inputs.size(), graph.outputs.size());
  SessionOptions options;
  options.memory_pool_mb = 1 << 14;  // what is checked here are values, not memory
  auto session = std::make_shared<const Session>(std::move(graph), options);
  auto context = std::make_shared<Context>(*session);
  return [session, context](const TensorView& input) { return context->run({input}).at(0); };
}

class Verifier {
 public:
  Verifier(const VerifyOptions& options, const Bundle& bundle, const std::string& precision)
      : options_(options), precision_(precision), merges_tokens_(bundle.merges_tokens), reference_(bundle.reference()) {
    if (precision == "int8" || precision == "mixed") cosine_only_ = options.int8_min_cosine;
    if (precision == "bf16" || precision == "fp16") cosine_only_ = options.half_min_cosine;
  }

  /// All cases "<tower>/<case>/<input>" of the reference file through one model.
  void tower(const std::string& name, const Run& run, const char* input, const char* output) {
    const std::string prefix = name + "/", suffix = std::string("/") + input;
    int found = 0;
    rows_.clear();
    const std::size_t first = cases_.size();
    for (const std::string& tensor : reference_.names()) {
      if (tensor.compare(0, prefix.size(), prefix) != 0 || tensor.size() <= prefix.size() + suffix.size())
        continue;
      if (tensor.compare(tensor.size() - suffix.size(), suffix.size(), suffix) != 0) continue;
      throw_if_interrupted();
      const std::string case_name = tensor.substr(0, tensor.size() - suffix.size());
      const Tensor expected = reference_.get(case_name + "/" + output);
      if (expected.dtype() != DType::f32 || expected.shape().size() != 2 || expected.elements() == 0)
        invalid_input("{}: {}/{} is not a float32 matrix; export the bundle again", reference_.file(),
                      case_name, output);
      add_case(case_name, expected, run(reference_.get(tensor).view()));
      ++found;
    }
    if (by_median(name) && !rows_.empty()) judge_by_median(first);
    for (std::size_t i = first; i < cases_.size(); ++i)
      if (!cases_[i]["passed"].get<bool>()) failed_.insert(name);
    if (found == 0)
      invalid_input("{}: has no {} cases to compare with; export the bundle again", reference_.file(), name);
  }

  /// What lies between the layers of a tower, where the bundle says what LibTorch has there.  No verdict: a place to look at.
  void layers(const Bundle& bundle, Graph imported, const char* name) {
    for (Json& layer : compare_layers(bundle, std::move(imported), name, cosine_only_ ? *cosine_only_ : options_.min_cosine)) layers_.push_back(std::move(layer));
  }

  Json report() const {
    Json json = Json::object();
    json["passed"] = failed_.empty();
    json["precision"] = precision_;
    if (cosine_only_)
      json["tolerance"] = {{"cosine", *cosine_only_}};
    else
      json["tolerance"] = {{"max_abs", options_.max_abs}, {"cosine", options_.min_cosine}};
    if (merged_median_) json["merged_median"] = finite_or_null(*merged_median_);
    json["cases"] = cases_;
    json["layers"] = layers_;
    json["first_layer"] = nullptr;
    for (const char* tower : {"image", "text"})
      if (json["first_layer"].is_null() && failed_.count(tower) != 0) json["first_layer"] = first_bad_layer(layers_, tower);
    return json;
  }

 private:
  void add_case(const std::string& name, const Tensor& expected, const Tensor& actual) {
    Json entry = {{"name", name}};
    bool passed = false;
    if (actual.dtype() != DType::f32 || actual.shape() != expected.shape()) {
      entry["max_abs"] = nullptr;
      entry["cosine"] = nullptr;
      entry["reason"] = fmt::format("output is {} {}, expected float32 {}", dtype_name(actual.dtype()),
                                    shape_string(actual.shape()), shape_string(expected.shape()));
    } else {
      const Difference difference = compare(expected, actual);
      entry["max_abs"] = finite_or_null(difference.max_abs);
      entry["cosine"] = finite_or_null(difference.cosine);
      rows_.insert(rows_.end(), difference.rows.begin(), difference.rows.end());
      passed = cosine_only_
                   ? difference.cosine >= *cosine_only_
                   : difference.max_abs <= options_.max_abs && difference.cosine >= options_.min_cosine;
    }
    entry["passed"] = passed;
    cases_.push_back(std::move(entry));
  }

  /// In fewer bits than the reference a tower that merges tokens may merge others of an image, which moves its embedding by more than
  /// rounding does.  Of most images it must not.
  bool by_median(const std::string& name) const { return merges_tokens_ && cosine_only_ && name == "image"; }
  void judge_by_median(std::size_t first) {
    merged_median_ = median(rows_);
    for (std::size_t i = first; i < cases_.size(); ++i)
      if (!cases_[i]["cosine"].is_null()) cases_[i]["passed"] = *merged_median_ >= *cosine_only_;
  }

  const VerifyOptions options_;
  const std::string precision_;
  const bool merges_tokens_;
  std::vector<double> rows_;             ///< cosines of all rows of a tower
  std::optional<double> merged_median_;  ///< their median, where it decides
  std::set<std::string> failed_;         ///< towers of which a case did not pass
  std::optional<double> cosine_only_;  ///< nothing: the largest difference counts too
  const SafetensorsFile reference_;
  Json cases_ = Json::array(), layers_ = Json::array();
};

}  // namespace

Json verify_bundle(const VerifyOptions& options, const PlanUnderTest* plan) {
  const Bundle bundle = open_bundle(options.bundle);
  if (plan == nullptr) {
    Verifier verifier(options, bundle, bundle.precision);
    const auto tower = [&](const char* name, const std::filesystem::path& onnx, const char* input, const char* output) {
      Graph imported = import_onnx(onnx);
      verifier.tower(name, run_onnx(imported, onnx), input, output);
      verifier.layers(bundle, std::move(imported), name);
    };
    tower("image", bundle.image_onnx(), kPixelValues, kImageEmbeds);
    tower("text", bundle.text_onnx(), kInputIds, kTextEmbeds);
    return verifier.report();
  }
  if (plan->card != options_to_json(bundle.card))
    invalid_input("{}: was not built from {} (their model cards differ); build it again", plan->where,
                  options.bundle);
  Verifier verifier(options, bundle, plan->precision);
  verifier.tower("image", plan->image, kPixelValues, kImageEmbeds);
  verifier.tower("text", plan->text, kInputIds, kTextEmbeds);
  return verifier.report();
}

}  // namespace edgeclip::builder
