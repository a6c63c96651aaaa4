#include "builder/compare_precisions.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/float16.h"
#include "base/signals.h"
#include "engine/ops/precision.h"
#include "engine/ops/support.h"
#include "engine/runtime/session.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

/// float32, row-major: channels come last in what a kernel may have written.
Tensor plain_floats(const TensorView& given, Layout layout) {
  Tensor floats(DType::f32, given.shape);
  float* to = floats.data<float>();
  if (given.dtype == DType::f64) {
    std::transform(given.as<double>(), given.as<double>() + given.elements(), to,
                   [](double x) { return static_cast<float>(x); });
  } else if (given.dtype == DType::f32) {
    std::copy_n(given.as<float>(), given.elements(), to);
  } else {
    floats = widened(given);
  }
  if (normalized(layout, given.shape) == Layout::plain) return floats;
  Tensor plain(DType::f32, given.shape);
  const std::int64_t channels = given.shape[1], places = product(given.shape, 2, given.shape.size());
  const float* from = floats.data<float>();
  for (std::int64_t n = 0; n < given.shape[0]; ++n)
    for (std::int64_t p = 0; p < places; ++p)
      for (std::int64_t c = 0; c < channels; ++c)
        plain.data<float>()[(n * channels + c) * places + p] = *from++;
  return plain;
}

/// What one graph computes, value by value, handed over while it runs.
class ObservedRun {
 public:
  ObservedRun(Graph graph, const CompareOptions& options, bool quiet)
      : session_(std::move(graph), session_options(options, quiet)), context_(session_) {}

  /// seen(node, name, value, precision of the node), for every output of floats.
  template <class Seen>
  void run(const std::vector<TensorView>& inputs, Seen seen) {
    const Graph& graph = session_.graph();
    context_.set_observer([&](const NodeRun& node_run) {
      throw_if_interrupted();
      const Node& node = node_run.node;
      std::vector<DType> types;
      for (std::size_t i = 0; i < node.inputs.size(); ++i)
        if (node.has_input(i)) types.push_back(node_run.inputs[i].dtype);
      for (std::size_t i = 0; i < node.outputs.size(); ++i) {  // none of a change of layout
        const OutputView& output = node_run.outputs[i];
        if (node.outputs[i] == kNoValue || !is_float(output.dtype)) continue;
        seen(node, graph.value(node.outputs[i]).name,
             plain_floats(output.view(), node_run.layouts.outputs[i]),
             node_precision(node, types, output.dtype));
      }
    });
    context_.run(inputs);
  }
  const Graph& graph() const { return session_.graph(); }

 private:
  static SessionOptions session_options(const CompareOptions& options, bool quiet) {
    SessionOptions result;
    result.memory_pool_mb = options.memory_pool_mb;
    result.threads = options.threads;
    if (quiet) result.log = silent_log();
    return result;
  }

  Session session_;
  Context context_;
};

void compare_values(const Tensor& reference, const Tensor& other, ComparedValue& result, double limit) {
  if (reference.shape() != other.shape())
    invalid_input("value {} is {} in one model and {} in the other; name two of one model", result.value,
                  shape_string(reference.shape()), shape_string(other.shape()));
  double signal = 0, noise = 0;
  bool finite = true;
  for (std::int64_t i = 0; finite && i < reference.elements(); ++i) {
    const double r = static_cast<double>(reference.data<float>()[i]),
                 o = static_cast<double>(other.data<float>()[i]);
    if (r == o || (std::isnan(r) && std::isnan(o))) {
      if (std::isfinite(r)) signal += r * r;
      continue;
    }
    finite = std::isfinite(r) && std::isfinite(o);
    signal += r * r;
    noise += (r - o) * (r - o);
  }
  result.equal = finite && noise == 0;
  // No signal at all: as little as can be said.
  if (finite && noise > 0) result.sqnr_db = 10 * std::log10(std::max(signal, 1e-300) / noise);
  result.below = !result.equal && !(result.sqnr_db && *result.sqnr_db >= limit);
}

void require_same_inputs(const Graph& reference, const Graph& other) {
  std::vector<std::string> names[2];
  for (const ValueId id : reference.inputs) names[0].push_back(reference.value(id).name);
  for (const ValueId id : other.inputs) names[1].push_back(other.value(id).name);
  if (names[0] != names[1])
    invalid_input("the models compared have inputs {} and {}; name two of one model",
                  fmt::join(names[0], ", "), fmt::join(names[1], ", "));
}

}  // namespace

PrecisionComparison compare_precisions(Graph reference, Graph other, const std::vector<TensorView>& inputs,
                                       const CompareOptions& options) {
  require_same_inputs(reference, other);
  PrecisionComparison result;
  result.sqnr_limit_db = options.sqnr_limit_db;
  std::map<std::string, Tensor> values;
  std::map<std::string, std::size_t> places;
  std::vector<ComparedValue> all;
  {
    ObservedRun run(std::move(reference), options, false);
    run.run(inputs, [&](const Node& node, const std::string& name, Tensor value, const std::string&) {
      if (!places.emplace(name, all.size()).second) return;  // a second value of this name
      ComparedValue one;
      one.layer = node.name;
      one.op = node.op;
      one.value = name;
      one.origins = node.origins;
      one.shape = shape_string(value.shape());
      all.push_back(std::move(one));
      values[name] = std::move(value);
    });
  }
  std::set<std::string> compared;
  ObservedRun run(std::move(other), options, true);
  run.run(inputs,
          [&](const Node&, const std::string& name, const Tensor& value, const std::string& precision) {
            const auto found = values.find(name);
            if (found == values.end()) return;
            ComparedValue& one = all[places.at(name)];
            one.precision = precision;
            compare_values(found->second, value, one, options.sqnr_limit_db);
            compared.insert(name);
            values.erase(found);
          });
  for (ComparedValue& one : all) {
    if (compared.count(one.value) == 0) {
      result.not_compared.push_back(one.value);
      continue;
    }
    if (one.below && !result.first_below) result.first_below = result.values.size();
    result.values.push_back(std::move(one));
  }
  return result;
}

Json to_json(const PrecisionComparison& comparison) {
  Json values = Json::array();
  for (const ComparedValue& one : comparison.values)
    values.push_back({{"layer", one.layer},
                      {"op", one.op},
                      {"origins", one.origins},
                      {"value", one.value},
                      {"shape", one.shape},
                      {"precision", one.precision},
                      {"equal", one.equal},
                      {"sqnr_db", one.sqnr_db ? Json(*one.sqnr_db) : Json(nullptr)},
                      {"below", one.below}});
  const auto& first = comparison.first_below;
  return {{"sqnr_limit_db", comparison.sqnr_limit_db},
          {"passed", !first},
          {"first_below", first ? Json(comparison.values[*first].layer) : Json(nullptr)},
          {"compared", comparison.values.size()},
          {"not_compared", comparison.not_compared},
          {"values", values}};
}

}  // namespace edgeclip::builder
