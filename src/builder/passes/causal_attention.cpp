#include "builder/passes/causal_attention.h"

#include <algorithm>

#include "builder/passes/pattern.h"
#include "engine/graph/shape_inference.h"

// constant (..., N, N): 0 where j <= i, hidden where j > i ─► [Slice from 0] ─► mask (..., T, T)
// FusedAttention(q, k, v, mask)      ⇒  FusedAttention(q, k, v; causal)
// which computes no score that is hidden.  Hidden: -inf, or so low (as the lowest float32) that beside the
// score of key i itself nothing is left of it.
//
// Refuses a mask that is another for each head or sample, shows a later key, or weighs an earlier one; slices
// that start elsewhere or leave rows out; sizes that are not proved to be those of queries and keys.
namespace edgeclip::builder {

using namespace engine;

namespace {

constexpr float kHiddenScore = -1e30F;

/// Of a constant (..., N, N) of one matrix.
bool is_causal(const Tensor& mask) {
  const std::size_t rank = mask.shape().size();
  if (mask.dtype() != DType::f32 || rank < 2) return false;
  const std::int64_t n = mask.dim(rank - 1);
  if (mask.dim(rank - 2) != n || mask.elements() != n * n) return false;
  const float* x = mask.data<float>();
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j)
      if (j <= i ? x[i * n + j] != 0 : !(x[i * n + j] <= kHiddenScore)) return false;
  return true;
}

/// Whether each element of an input is this; an input that is left out is what it has to be.
bool all_are(const ShapeFacts& facts, const Node& node, std::size_t input, std::int64_t wanted) {
  if (!node.has_input(input)) return true;
  const Tensor* tensor = facts.constant(node.inputs[input]);
  if (!tensor) return false;
  if (tensor->dtype() == DType::i64)
    return std::all_of(tensor->data<std::int64_t>(), tensor->data<std::int64_t>() + tensor->elements(),
                       [&](std::int64_t x) { return x == wanted; });
  if (tensor->dtype() == DType::i32)
    return std::all_of(tensor->data<std::int32_t>(), tensor->data<std::int32_t>() + tensor->elements(),
                       [&](std::int32_t x) { return x == wanted; });
  return false;
}

/// Whether a dimension of the mask, cut from one of `n`, is `length`: min(length, n) is, too, wherever the
/// mask broadcasts to the scores.
bool is_length(const SymbolicDim& dim, const SymbolicDim& length, std::int64_t n) {
  return dim == length || (n > 1 && dim == min_of(length, n));
}

/// The constant that the mask is the first rows and columns of.
const Tensor* source_of(const Graph& graph, const GraphIndex& index, const ShapeFacts& facts, ValueId mask) {
  constexpr std::size_t kStarts = 1, kSteps = 4;
  if (const Node* slice = index.producer(mask); slice && slice->is("Slice")) {
    if (!slice->has_input(kStarts) || !all_are(facts, *slice, kStarts, 0) ||
        !all_are(facts, *slice, kSteps, 1))
      return nullptr;
    mask = slice->inputs[0];
  }
  const auto& constant = graph.value(mask).constant;
  return constant ? &*constant : nullptr;
}

}  // namespace

int causal_attention(Graph& graph) {
  const auto maybe = [](const Node& node) {
    return node.is("FusedAttention", "edgeclip") && node.has_input(3);
  };
  if (std::none_of(graph.nodes().begin(), graph.nodes().end(), maybe)) return 0;
  const ShapeFacts facts(graph);
  return rewrite_nodes(graph, [&](Graph& g, const GraphIndex& index, std::size_t i) {
    Node& node = g.nodes()[i];
    if (!maybe(node) || node.int_or("causal", 0) != 0) return false;
    const ValueId mask = node.inputs[3], keys = node.has_input(1) ? node.inputs[1] : node.inputs[0];
    const auto &q = facts.symbolic(node.inputs[0]), &k = facts.symbolic(keys), &m = facts.symbolic(mask);
    if (!q || q->size() != 3 || !k || k->size() != 3 || (*q)[1] != (*k)[1] || !m || m->size() < 2)
      return false;
    const Tensor* source = source_of(g, index, facts, mask);
    if (!source || !is_causal(*source) || !is_length((*m)[m->size() - 2], (*q)[1], source->shape().back()) ||
        !is_length(m->back(), (*q)[1], source->shape().back()))
      return false;
    auto attributes = node.attributes;
    attributes["causal"] = std::int64_t{1};
    become(node, "FusedAttention", {node.inputs.begin(), node.inputs.begin() + 3}, std::move(attributes));
    return true;
  });
}

}  // namespace edgeclip::builder
