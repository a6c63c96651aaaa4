#include "builder/passes/fuse_attention.h"

#include <algorithm>
#include <cmath>

#include "builder/passes/attention_heads.h"

// q ─► heads ──────────► MatMul ─► [Mul(c)] ─► Softmax | MaskedSoftmax(mask) ─► MatMul ─► heads' ─► y
// k ─► transposed heads ──►┘                                          v ─► heads ─►┘
//                                       ⇒  FusedAttention(q, k, v, mask; num_heads, scale, safe)
// heads' : Transpose and Reshape to rows again.
// q, k, v, y: rows (B, T, H Dh); heads and transposed heads as in attention_heads.h.  The scale is the
// product of all constants on the way to the scores.
//
// ONNX's Attention over such heads, or over rows itself:
// q, k, v ─► [heads] ─► Attention(mask) ─► [Transpose ─► Reshape] ─► y   ⇒  the same
//
// Refuses: heads whose sizes are no multiple of 16 or differ, another number of heads for k and v than for q,
// another type than float32; shapes that are not proved to be those; scores, weights or heads of the result
// that somebody else reads.  Of Attention also a cache, a limit of the scores (softcap), windows, lengths of
// keys, further outputs, and a mask of bool or one that ends early.
namespace edgeclip::builder {

using namespace engine;

namespace {

struct AttentionOperands {
  HeadsOfRows q, k, v;
};

class FuseAttention {
 public:
  FuseAttention(const Graph& graph, const GraphIndex& index, const ShapeFacts& facts)
      : index_(index), facts_(facts), through_(graph, index, facts) {}

  /// Rewrites node `i`, the Reshape at the end.
  bool from_chain(Graph& graph, std::size_t i) const {
    Node& node = graph.nodes()[i];
    const Node* turn = index_.inner(node.inputs[0], "Transpose");
    const Node* mix = turn ? index_.inner(turn->inputs[0], "MatMul") : nullptr;
    if (!mix) return false;
    const Node* softmax = softmax_of(mix->inputs[0]);
    if (!softmax) return false;
    double factor = 1;
    const Node* product = index_.inner(through_.without_inner_factor(softmax->inputs[0], factor), "MatMul");
    if (!product) return false;
    const auto q = through_.heads(product->inputs[0]), k = through_.transposed_heads(product->inputs[1]),
               v = through_.heads(mix->inputs[1]);
    if (!q || !k || !v || v->factor != 1 || !fit(*q, *k, *v) || through_.heads_behind(node, *q) == kNoValue)
      return false;
    factor *= q->factor * k->factor;
    if (!std::isfinite(factor)) return false;
    const bool masked = softmax->is("MaskedSoftmax", "edgeclip");
    become_attention(node, {*q, *k, *v}, masked && softmax->has_input(1) ? softmax->inputs[1] : kNoValue,
                     factor, masked ? softmax->int_or("safe", 0) : 0, false);
    return true;
  }

  /// Rewrites node `i`, a Reshape behind ONNX's Attention over heads.
  bool from_attention_over_heads(Graph& graph, std::size_t i) const {
    Node& node = graph.nodes()[i];
    const Node* turn = index_.inner(node.inputs[0], "Transpose");
    const Node* attention = turn ? index_.inner(turn->inputs[0], "Attention") : nullptr;
    if (!attention) return false;
    const auto q = through_.heads(attention->inputs[0]), k = through_.heads(attention->inputs[1]),
               v = through_.heads(attention->inputs[2]);
    if (!q || !k || !v || v->factor != 1 || !fit(*q, *k, *v) || !is_plain(*attention, *q, *k) ||
        through_.heads_behind(node, *q) == kNoValue)
      return false;
    return become_plain(node, *attention, {*q, *k, *v});
  }

  /// Rewrites node `i`, ONNX's Attention over rows.
  bool from_attention_over_rows(Graph& graph, std::size_t i) const {
    Node& node = graph.nodes()[i];
    AttentionOperands operands;
    HeadsOfRows* const each[] = {&operands.q, &operands.k, &operands.v};
    for (const std::size_t side : {0, 1, 2}) {
      const auto& shape = facts_.symbolic(node.inputs[side]);
      const std::int64_t heads = node.int_or(side == 0 ? "q_num_heads" : "kv_num_heads", 0);
      if (!shape || shape->size() != 3 || heads < 1 || facts_.dtype(node.inputs[side]) != DType::f32)
        return false;
      const auto width = (*shape)[2].constant();
      if (!width || *width % heads != 0) return false;
      *each[side] = {node.inputs[side], 1, (*shape)[0], (*shape)[1], heads, *width / heads};
    }
    if (!fit(operands.q, operands.k, operands.v) || !is_plain(node, operands.q, operands.k)) return false;
    const Node attention = node;
    return become_plain(node, attention, operands);
  }

 private:
  /// The softmax over the last axis that gives `weights`, whatever its form.
  const Node* softmax_of(ValueId weights) const {
    if (const Node* masked = index_.inner(weights, "MaskedSoftmax", "edgeclip")) return masked;
    const Node* softmax = index_.inner(weights, "Softmax");
    if (!softmax) return nullptr;
    const std::int64_t axis = softmax->int_or("axis", softmax->opset >= 13 ? -1 : 1);
    return axis == 3 || axis == -1 ? softmax : nullptr;  // the products have rank 4
  }

  static bool fit(const HeadsOfRows& q, const HeadsOfRows& k, const HeadsOfRows& v) {
    const auto like = [&](const HeadsOfRows& x) {
      return x.heads == q.heads && x.size == q.size && x.batch == q.batch && x.length == k.length;
    };
    return q.size % 16 == 0 && like(k) && like(v);
  }

  /// An Attention that does nothing but attend.
  bool is_plain(const Node& node, const HeadsOfRows& q, const HeadsOfRows& k) const {
    for (std::size_t input = 4; input < node.inputs.size(); ++input)
      if (node.has_input(input)) return false;
    if (node.outputs.size() != 1 || node.float_or("softcap", 0) != 0 ||
        node.int_or("left_window_size", -1) >= 0 || node.int_or("right_window_size", -1) >= 0 ||
        node.int_or("softmax_precision", 1) != 1)
      return false;
    if (!node.has_input(3)) return true;
    const auto& mask = facts_.symbolic(node.inputs[3]);
    if (facts_.dtype(node.inputs[3]) != DType::f32 || !mask || mask->empty() || mask->size() > 4)
      return false;
    const SymbolicShape full = {q.batch, q.heads, q.length, k.length};
    for (std::size_t d = 0; d < mask->size(); ++d) {
      const SymbolicDim& dim = (*mask)[mask->size() - 1 - d];
      if (dim != full[3 - d] && (dim != 1 || (d == 0 && node.opset >= 24))) return false;
    }
    return true;
  }

  bool become_plain(Node& node, const Node& attention, const AttentionOperands& operands) const {
    double factor = operands.q.factor * operands.k.factor;
    factor *= attention.has("scale") ? static_cast<double>(attention.float_or("scale", 1))
                                     : 1 / std::sqrt(static_cast<double>(operands.q.size));
    if (!std::isfinite(factor)) return false;
    become_attention(node, operands, attention.has_input(3) ? attention.inputs[3] : kNoValue, factor, 2,
                     attention.int_or("is_causal", 0) != 0);
    return true;
  }

  static void become_attention(Node& node, const AttentionOperands& of, ValueId mask, double scale,
                               std::int64_t safe, bool causal) {
    std::map<std::string, Attribute> attributes = {{"num_heads", of.q.heads},
                                                   {"scale", static_cast<float>(scale)}};
    if (safe != 0) attributes["safe"] = safe;
    if (causal) attributes["causal"] = std::int64_t{1};
    become(node, "FusedAttention", {of.q.rows, of.k.rows, of.v.rows, mask}, std::move(attributes));
  }

  const GraphIndex& index_;
  const ShapeFacts& facts_;
  AttentionHeads through_;
};

}  // namespace

int fuse_attention(Graph& graph) {
  const auto maybe = [](const Node& node) {
    return node.is("Softmax") || node.is("MaskedSoftmax", "edgeclip") || node.is("Attention");
  };
  if (std::none_of(graph.nodes().begin(), graph.nodes().end(), maybe)) return 0;
  const ShapeFacts facts(graph);
  return rewrite_nodes(graph, [&](Graph& g, const GraphIndex& index, std::size_t i) {
    const Node& node = g.nodes()[i];
    const FuseAttention fuse(g, index, facts);
    if (node.is("Attention")) return fuse.from_attention_over_rows(g, i);
    return node.is("Reshape") && (fuse.from_chain(g, i) || fuse.from_attention_over_heads(g, i));
  });
}

}  // namespace edgeclip::builder
