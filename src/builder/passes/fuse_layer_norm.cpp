#include "builder/passes/fuse_layer_norm.h"

#include <algorithm>

#include "builder/passes/pattern.h"
#include "builder/passes/real_constants.h"
#include "engine/graph/shape_inference.h"

// x ─┬──────────────────► Sub = d ─┬──────────────────────────────────────────────────────────► Div ─► y
//    └─► ReduceMean(-1) ─►┘        └─► Pow(2) | Mul(d, d) ─► ReduceMean(-1) ─► Add(eps) ─► Sqrt ─►┘
//                                                                         ⇒  LayerNormalization(x, 1)
// The root may be Sqrt or Pow(1/2); instead of dividing by it, d may be multiplied by its Reciprocal or by
// Pow(-1/2). d may be computed twice, for the square and for the quotient. Then, each right by itself:
//   LayerNormalization(x, 1) ─► Mul(scale) ─► y        ⇒  LayerNormalization(x, scale)
//   LayerNormalization(x, scale) ─► Add(bias) ─► y     ⇒  LayerNormalization(x, scale, bias)
// scale, bias: constants with an element for each place of the last axis.
// Refuses other axes than the last one, keepdims = 0, a last dimension that is not known, a negative eps, and
// intermediates with other readers or that are graph outputs.
namespace edgeclip::builder {

using namespace engine;

namespace {

constexpr int kLayerNormOpset = 17;

class FuseLayerNorm {
 public:
  explicit FuseLayerNorm(const Graph& graph) : facts_(graph) {}

  bool operator()(Graph& graph, const GraphIndex& index, std::size_t i) const {
    Node& node = graph.nodes()[i];
    if (node.is("Add")) return add_constant(graph, index, node, 2);
    if (node.is("Div")) return rewrite_core(graph, index, node, node.inputs[0], node.inputs[1]);
    return node.is("Mul") && (rewrite_core(graph, index, node, node.inputs[0], node.inputs[1]) ||
                              rewrite_core(graph, index, node, node.inputs[1], node.inputs[0]) ||
                              add_constant(graph, index, node, 1));
  }

 private:
  /// What a match has gone through: the nodes, and the values between them.
  struct Trail {
    std::vector<const Node*> nodes;
    std::vector<ValueId> values;
    const Node* step(const GraphIndex& index, ValueId id) {
      const Node* node = index.producer(id);
      if (!node || node->outputs.size() != 1) return nullptr;
      nodes.push_back(node);
      values.push_back(id);
      return node;
    }
  };

  /// The last dimension of x; 0 if it is not known.
  std::int64_t last_dim(ValueId x) const {
    const auto shape = facts_.shape(x);
    return shape && !shape->empty() ? std::max<std::int64_t>(shape->back(), 0) : 0;
  }

  /// Whether `id` is the mean of `of` along the last axis, which stays as 1.
  bool is_mean(const Graph& graph, const GraphIndex& index, Trail& trail, ValueId id, ValueId of,
               std::size_t rank) const {
    const Node* reduce = trail.step(index, id);
    if (!reduce || !reduce->is("ReduceMean") || reduce->inputs[0] != of) return false;
    const auto axis = reduced_axis(graph, *reduce);
    return axis && (*axis == -1 || *axis == static_cast<std::int64_t>(rank) - 1);
  }

  /// Whether `id` is x - mean(x); d, the same value or another Sub of the same.
  bool is_centred(const Graph& graph, const GraphIndex& index, Trail& trail, ValueId id, ValueId x) const {
    const Node* sub = trail.step(index, id);
    return sub && sub->is("Sub") && sub->inputs[0] == x &&
           is_mean(graph, index, trail, sub->inputs[1], x, facts_.shape(x)->size());
  }

  /// The value under the root, if `id` is what d is divided by (or multiplied with).
  static ValueId under_root(const Graph& graph, const GraphIndex& index, Trail& trail, ValueId id,
                            bool divided) {
    const Node* node = trail.step(index, id);
    if (!node) return kNoValue;
    if (!divided) {
      if (is_power(graph, *node, -0.5)) return node->inputs[0];
      if (!node->is("Reciprocal")) return kNoValue;
      node = trail.step(index, node->inputs[0]);
    }
    return node && is_power(graph, *node, 0.5) ? node->inputs[0] : kNoValue;
  }

  bool rewrite_core(Graph& graph, const GraphIndex& index, Node& node, ValueId d, ValueId root) const {
    Trail trail;
    trail.nodes.push_back(&node);
    const Node* sub = index.producer(d);
    if (!sub || !sub->is("Sub")) return false;
    const ValueId x = sub->inputs[0];
    const std::int64_t n = last_dim(x);
    const auto dtype = facts_.dtype(x);
    if (n == 0 || !is_centred(graph, index, trail, d, x)) return false;

    const Node* add = trail.step(index, under_root(graph, index, trail, root, node.is("Div")));
    if (!add || !add->is("Add")) return false;
    const std::size_t side = scalar(graph, add->inputs[1]) ? 0 : 1;
    const auto epsilon = scalar(graph, add->inputs[1 - side]);
    if (!epsilon || !(*epsilon >= 0) || !keeps_shape(graph, add->inputs[1 - side], facts_.shape(x)))
      return false;

    const Node* variance = index.producer(add->inputs[side]);
    if (!variance || !variance->is("ReduceMean")) return false;
    const ValueId squares = variance->inputs[0];
    if (!is_mean(graph, index, trail, add->inputs[side], squares, facts_.shape(x)->size())) return false;
    const Node* square = trail.step(index, squares);
    const bool squared = square && (is_power(graph, *square, 2) ||
                                    (square->is("Mul") && square->inputs[0] == square->inputs[1]));
    if (!squared || !is_centred(graph, index, trail, square->inputs[0], x)) return false;
    if (!index.read_only_by(trail.nodes, trail.values)) return false;

    const std::vector<double> ones(static_cast<std::size_t>(n), 1.0);
    const ValueId scale = graph.add_constant(node.name + "/scale", make_reals(*dtype, {n}, ones));
    become_onnx(node, "LayerNormalization", kLayerNormOpset, {x, scale},
                {{"axis", std::int64_t{-1}}, {"epsilon", static_cast<float>(*epsilon)}});
    return true;
  }

  /// Takes in a scale (input 1) or bias (input 2).
  bool add_constant(Graph& graph, const GraphIndex& index, Node& node, std::size_t input) const {
    for (const std::size_t side : {0, 1}) {
      const Node* norm = index.inner(node.inputs[side], "LayerNormalization");
      const Tensor* constant = real_constant(graph, node.inputs[1 - side]);
      if (!norm || !constant || norm->has_input(2)) continue;
      const auto shape = facts_.shape(norm->inputs[0]);
      const Tensor* scale = real_constant(graph, norm->inputs[1]);
      if (!shape || !scale || scale->dtype() != constant->dtype()) continue;
      const std::int64_t n = last_dim(norm->inputs[0]), axis = norm->int_or("axis", -1);
      if (n == 0 || (axis != -1 && axis != static_cast<std::int64_t>(shape->size()) - 1)) continue;
      if (input == 1) {
        const std::vector<double> values = reals_of(*scale);
        if (std::any_of(values.begin(), values.end(), [](double value) { return value != 1; })) continue;
      }
      const std::vector<double> values = values_along(*constant, shape->size() - 1, n, shape->size());
      if (values.empty()) continue;

      std::vector<ValueId> inputs = norm->inputs;
      inputs.resize(std::max(inputs.size(), input + 1), kNoValue);
      inputs[input] = node.inputs[1 - side];
      if (constant->shape() != Shape{n})
        inputs[input] = graph.add_constant(graph.value(inputs[input]).name + "/last_axis",
                                           make_reals(constant->dtype(), {n}, values));
      become_onnx(node, "LayerNormalization", norm->opset, std::move(inputs), norm->attributes);
      return true;
    }
    return false;
  }

  ShapeFacts facts_;
};

}  // namespace

int fuse_layer_norm(Graph& graph) {
  const auto wanted = [](const Node& node) { return node.is("ReduceMean") || node.is("LayerNormalization"); };
  if (std::none_of(graph.nodes().begin(), graph.nodes().end(), wanted)) return 0;
  return rewrite_nodes(graph, FuseLayerNorm(graph));
}

}  // namespace edgeclip::builder
