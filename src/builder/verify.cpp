#include "builder/verify.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>

#include "base/safetensors.h"
#include "base/signals.h"
#include "builder/import/onnx_import.h"
#include "builder/passes/passes.h"
#include "bundle/bundle.h"
#include "engine/runtime/session.h"

namespace edgeclip::builder {

using namespace engine;
namespace {

struct Difference {
  double max_abs = 0;
  double cosine = 1;  ///< of the worst row
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
  }
  return out;
}

/// JSON has no NaN: what could not be measured is null.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

using Run = std::function<Tensor(const TensorView&)>;

/// An ONNX file of the bundle, imported and optimized as for a plan.
Run run_onnx(const std::filesystem::path& file) {
  Graph graph = import_onnx(file);
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
      : options_(options), precision_(precision), reference_(bundle.reference()) {
    if (precision == "int8" || precision == "mixed") cosine_only_ = options.int8_min_cosine;
    if (precision == "bf16" || precision == "fp16") cosine_only_ = options.half_min_cosine;
  }

  /// All cases "<tower>/<case>/<input>" of the reference file through one model.
  void tower(const std::string& name, const Run& run, const char* input, const char* output) {
    const std::string prefix = name + "/", suffix = std::string("/") + input;
    int found = 0;
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
    if (found == 0)
      invalid_input("{}: has no {} cases to compare with; export the bundle again", reference_.file(), name);
  }

  Json report() const {
    Json json = Json::object();
    json["passed"] = passed_;
    json["precision"] = precision_;
    if (cosine_only_)
      json["tolerance"] = {{"cosine", *cosine_only_}};
    else
      json["tolerance"] = {{"max_abs", options_.max_abs}, {"cosine", options_.min_cosine}};
    json["cases"] = cases_;
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
      entry["max_abs"] = number(difference.max_abs);
      entry["cosine"] = number(difference.cosine);
      passed = cosine_only_
                   ? difference.cosine >= *cosine_only_
                   : difference.max_abs <= options_.max_abs && difference.cosine >= options_.min_cosine;
    }
    entry["passed"] = passed;
    passed_ &= passed;
    cases_.push_back(std::move(entry));
  }

  const VerifyOptions options_;
  const std::string precision_;
  std::optional<double> cosine_only_;  ///< nothing: the largest difference counts too
  const SafetensorsFile reference_;
  Json cases_ = Json::array();
  bool passed_ = true;
};

}  // namespace

Json verify_bundle(const VerifyOptions& options, const PlanUnderTest* plan) {
  const Bundle bundle = open_bundle(options.bundle);
  if (plan == nullptr) {
    Verifier verifier(options, bundle, bundle.precision);
    verifier.tower("image", run_onnx(bundle.image_onnx()), kPixelValues, kImageEmbeds);
    verifier.tower("text", run_onnx(bundle.text_onnx()), kInputIds, kTextEmbeds);
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
