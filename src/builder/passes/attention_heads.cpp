#include "builder/passes/attention_heads.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

/// Divisions by a scalar are met as well (scaled()).
bool is_scaling(const Graph& graph, const Node* node, Scaled& found) {
  if (!node) return false;
  const auto scaling = scaled(graph, *node);
  if (!scaling) return false;
  found = *scaling;
  return true;
}

}  // namespace

ValueId AttentionHeads::without_factor(ValueId id, double& factor) const {
  Scaled found{};
  while (is_scaling(graph_, index_.producer(id), found)) {
    factor *= found.factor;
    id = found.x;
  }
  return id;
}

ValueId AttentionHeads::without_inner_factor(ValueId id, double& factor) const {
  Scaled found{};
  while (index_.read_once(id) && is_scaling(graph_, index_.producer(id), found)) {
    factor *= found.factor;
    id = found.x;
  }
  return id;
}

const Node* AttentionHeads::transpose(ValueId id, const std::vector<std::int64_t>& perm) const {
  const Node* node = index_.producer(id);
  return node && node->is("Transpose") && node->ints_or("perm", {}) == perm ? node : nullptr;
}

/// id: (B, T, H, Dh), reshaped from (B, T, H Dh).
std::optional<HeadsOfRows> AttentionHeads::reshaped_rows(ValueId id, double factor) const {
  id = without_factor(id, factor);
  const Node* reshape = index_.producer(id);
  if (!reshape || !reshape->is("Reshape")) return {};
  const ValueId rows = without_factor(reshape->inputs[0], factor);
  const auto &apart = facts_.symbolic(id), &whole = facts_.symbolic(rows);
  if (!apart || apart->size() != 4 || !whole || whole->size() != 3 || facts_.dtype(rows) != DType::f32)
    return {};
  const auto heads = (*apart)[2].constant(), size = (*apart)[3].constant(), width = (*whole)[2].constant();
  if (!heads || !size || !width || *heads < 1 || *heads * *size != *width || (*apart)[0] != (*whole)[0] ||
      (*apart)[1] != (*whole)[1])
    return {};
  return HeadsOfRows{rows, factor, (*whole)[0], (*whole)[1], *heads, *size};
}

std::optional<HeadsOfRows> AttentionHeads::heads(ValueId id) const {
  double factor = 1;
  const Node* node = transpose(without_factor(id, factor), {0, 2, 1, 3});
  if (!node) return {};
  return reshaped_rows(node->inputs[0], factor);
}

std::optional<HeadsOfRows> AttentionHeads::transposed_heads(ValueId id) const {
  double factor = 1;
  id = without_factor(id, factor);
  if (const Node* node = transpose(id, {0, 2, 3, 1})) return reshaped_rows(node->inputs[0], factor);
  std::optional<HeadsOfRows> found;
  if (const Node* node = transpose(id, {0, 1, 3, 2})) {
    found = heads(node->inputs[0]);
  } else if (const Node* last = index_.producer(id); last && last->is("Reshape")) {
    const Node* turn = transpose(last->inputs[0], {0, 2, 1});
    const Node* first = turn ? index_.producer(turn->inputs[0]) : nullptr;
    if (!first || !first->is("Reshape")) return {};
    found = heads(first->inputs[0]);
    const auto &joined = facts_.symbolic(turn->inputs[0]), &whole = facts_.symbolic(id);
    // Of so many elements the first dimension of three is B H.
    if (!found || !joined || joined->size() != 3 || (*joined)[1] != found->length ||
        (*joined)[2] != found->size || !whole ||
        *whole != SymbolicShape{found->batch, found->heads, found->size, found->length})
      return {};
  }
  if (found) found->factor *= factor;
  return found;
}

ValueId AttentionHeads::heads_behind(const Node& reshape, const HeadsOfRows& like) const {
  const Node* turn = index_.inner(reshape.inputs[0], "Transpose");
  const auto& rows = facts_.symbolic(reshape.outputs[0]);
  if (!turn || turn->ints_or("perm", {}) != std::vector<std::int64_t>{0, 2, 1, 3} || !rows ||
      *rows != SymbolicShape{like.batch, like.length, like.heads * like.size})
    return kNoValue;
  return turn->inputs[0];
}

}  // namespace edgeclip::builder
