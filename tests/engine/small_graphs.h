#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/rng.h"
#include "engine/graph/graph.h"
#include "engine/runtime/session.h"
#include "support/support.h"

/// Small graphs written in code, for tests of the runtime and the plan.
namespace edgeclip::engine::test {

using ::edgeclip::test::invalid_input_of;
using ::edgeclip::test::TempDir;
using ::edgeclip::test::write_text;

inline Tensor random_floats(const Shape& shape, std::uint64_t seed, double scale = 1) {
  Rng rng(seed);
  Tensor t(DType::f32, shape);
  for (std::int64_t i = 0; i < t.elements(); ++i)
    t.data<float>()[i] = static_cast<float>(rng.normal() * scale);
  return t;
}

/// Readable kernels only: the oracle.
inline SessionOptions reference_options() {
  SessionOptions options;
  options.reference = true;
  return options;
}

/// Infinite for other types or shapes, and where one side is not a number.
inline double max_difference(const Tensor& a, const Tensor& b) {
  if (a.dtype() != DType::f32 || b.dtype() != DType::f32 || a.shape() != b.shape())
    return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (std::int64_t i = 0; i < a.elements(); ++i) {
    const double d =
        std::fabs(static_cast<double>(a.data<float>()[i]) - static_cast<double>(b.data<float>()[i]));
    worst = std::isnan(d) ? std::numeric_limits<double>::infinity() : std::max(worst, d);
  }
  return worst;
}

class GraphWriter {
 public:
  explicit GraphWriter(const std::string& name) { graph_.name = name; }

  ValueId input(const std::string& name, DType dtype, const Shape& shape,
                const std::vector<std::string>& symbols) {
    Value value;
    value.name = name;
    value.dtype = dtype;
    value.shape = shape;
    value.symbols = symbols;
    graph_.inputs.push_back(graph_.add_value(std::move(value)));
    return graph_.inputs.back();
  }
  ValueId constant(Tensor tensor) {
    return graph_.add_constant("c" + std::to_string(graph_.value_count()), std::move(tensor));
  }
  ValueId ints(const std::vector<std::int64_t>& values) {
    return constant(Tensor::from({static_cast<std::int64_t>(values.size())}, values));
  }
  ValueId weights(const Shape& shape) {
    return constant(random_floats(shape, graph_.value_count(), 1 / std::sqrt(static_cast<double>(shape[0]))));
  }
  ValueId node(const std::string& op, const std::vector<ValueId>& inputs,
               const std::map<std::string, Attribute>& attributes = {}, const std::string& domain = "") {
    Node node;
    node.op = op;
    node.domain = domain;
    node.opset = domain.empty() ? 17 : 1;
    node.name = op + "_" + std::to_string(graph_.nodes().size());
    node.inputs = inputs;
    node.attributes = attributes;
    Value value;
    value.name = node.name + "_out";
    node.outputs = {graph_.add_value(std::move(value))};
    return graph_.add_node(std::move(node)).outputs[0];
  }
  Graph finish(const std::vector<ValueId>& outputs) {
    graph_.outputs = outputs;
    graph_.check();
    return std::move(graph_);
  }

 private:
  Graph graph_;
};

/// x (batch, tokens, width) -> the same: attention and MLP with pre-norm, head split by the batch and length
/// found by Shape and Gather as exporters write it, fused products as the passes leave them.
inline Graph transformer_block(int width, int heads) {
  using Ints = std::vector<std::int64_t>;
  GraphWriter g("block");
  const ValueId x = g.input("x", DType::f32, {-1, -1, width}, {"batch", "tokens", ""});
  const auto norm = [&](ValueId v) {
    return g.node("LayerNormalization", {v, g.weights({width}), g.weights({width})},
                  {{"axis", std::int64_t{-1}}, {"epsilon", 1e-5f}});
  };
  const ValueId shape = g.node("Shape", {x});
  const auto size = [&](std::int64_t axis) {
    return g.node("Gather", {shape, g.ints({axis})}, {{"axis", std::int64_t{0}}});
  };
  const ValueId batch = size(0), tokens = size(1);
  const ValueId split =
      g.node("Concat", {batch, tokens, g.ints({heads, width / heads})}, {{"axis", std::int64_t{0}}});
  const ValueId join = g.node("Concat", {batch, tokens, g.ints({width})}, {{"axis", std::int64_t{0}}});
  const ValueId h = norm(x);
  const auto head = [&](const Ints& order) {
    const ValueId p = g.node("FusedMatMul", {h, g.weights({width, width}), g.weights({width}), kNoValue},
                             {{"activation", std::string()}}, "edgeclip");
    return g.node("Transpose",
                  {
                      g.node("Reshape", {p, split}),
                  },
                  {{"perm", order}});
  };
  const ValueId q = head({0, 2, 1, 3}), k = head({0, 2, 3, 1}), v = head({0, 2, 1, 3});
  const ValueId scale =
      g.constant(Tensor::from<float>({}, {1 / std::sqrt(static_cast<float>(width / heads))}));
  const ValueId scores =
      g.node("Softmax", {g.node("Mul", {g.node("MatMul", {q, k}), scale})}, {{"axis", std::int64_t{-1}}});
  const ValueId mixed = g.node("Transpose", {g.node("MatMul", {scores, v})}, {{"perm", Ints{0, 2, 1, 3}}});
  const ValueId attended = g.node(
      "FusedMatMul", {g.node("Reshape", {mixed, join}), g.weights({width, width}), g.weights({width}), x},
      {{"activation", std::string()}}, "edgeclip");
  const ValueId inner =
      g.node("FusedMatMul", {norm(attended), g.weights({width, 4 * width}), g.weights({4 * width})},
             {{"activation", std::string("quick_gelu")}}, "edgeclip");
  return g.finish({g.node("FusedMatMul", {inner, g.weights({4 * width, width}), g.weights({width}), attended},
                          {{"activation", std::string()}}, "edgeclip")});
}

}  // namespace edgeclip::engine::test
