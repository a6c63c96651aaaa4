#include "builder/passes/join_attention_products.h"

#include <algorithm>
#include <array>

#include "builder/passes/pattern.h"
#include "engine/ops/quant_matmul.h"

//    ┌─► FusedMatMul(Wq, bq) ─► q ─┐
// x ─┼─► FusedMatMul(Wk, bk) ─► k ─┼─► FusedAttention ─► y
//    └─► FusedMatMul(Wv, bv) ─► v ─┘
//                      ⇒  x ─► FusedMatMul(Wq | Wk | Wv, bq | bk | bv) ─► FusedAttention ─► y
// A TokenMerge that reads k as its keys reads the joined product then (joined = 1).
// MatMul (without a bias) as well; a bias that some lack is 0 for them.  Columns of a product do not meet, so
// each is what it was.  Three QuantMatMul (of Q/DQ pairs), whose scales are by column, become one likewise.
// Refuses: another x, or another scale or zero point of it; weights that are no float32 (int8) constants or of different
// sizes, an activation, a residual, a scale per row, a result in 8 bits, and products that somebody else reads.
namespace edgeclip::builder {

using namespace engine;

namespace {

using AttentionProducts = std::array<const Node*, 3>;

/// Those that read the attention's keys as theirs, head by head.
std::vector<Node*> merges_by(Graph& graph, ValueId keys, const Node& attention) {
  std::vector<Node*> found;
  for (Node& node : graph.nodes())
    if (node.is("TokenMerge", "edgeclip") && node.inputs[1] == keys && node.inputs[0] != keys && node.inputs[2] != keys &&
        node.int_or("num_heads", 0) == attention.int_or("num_heads", 0))
      found.push_back(&node);
  return found;
}

const Tensor* constant_of(const Graph& graph, ValueId id, DType dtype, std::size_t rank) {
  const auto& tensor = graph.value(id).constant;
  return tensor && tensor->dtype() == dtype && tensor->shape().size() == rank ? &*tensor : nullptr;
}

bool is_quantized(const Node& product) { return product.is("QuantMatMul", "edgeclip"); }

/// kNoValue: there is none.
ValueId bias_of(const Node& product) {
  const std::size_t at = is_quantized(product) ? std::size_t{kQuantBias} : 2;
  return product.has_input(at) ? product.inputs[at] : kNoValue;
}

/// x W, or x W + b with constants.
bool is_plain_product(const Graph& graph, const Node& node) {
  if (!node.string_or("activation", "").empty()) return false;
  if (const ValueId bias = bias_of(node); bias != kNoValue && !constant_of(graph, bias, DType::f32, 1)) return false;
  if (is_quantized(node))
    return constant_of(graph, node.inputs[kQuantW], DType::i8, 2) && constant_of(graph, node.inputs[kQuantWScale], DType::f32, 1) &&
           !node.has_input(kQuantResidual) && !node.has_input(kQuantRowScale) && node.string_or("out_type", "").empty();
  return (node.is("MatMul") || node.is("FusedMatMul", "edgeclip")) && constant_of(graph, node.inputs[1], DType::f32, 2) &&
         !node.has_input(3);
}

/// Of one kind, one x and one size.
bool are_alike(const Graph& graph, const Node& a, const Node& b) {
  return is_quantized(a) == is_quantized(b) && a.inputs[0] == b.inputs[0] &&
         graph.value(a.inputs[1]).constant->shape() == graph.value(b.inputs[1]).constant->shape() &&
         (!is_quantized(a) || (a.float_or("a_scale", 1) == b.float_or("a_scale", 1) &&
                               a.int_or("a_zero_point", 0) == b.int_or("a_zero_point", 0)));
}

/// Those of an attention; nothing if they are not three alike.
bool products_of(Graph& graph, const GraphIndex& index, const Node& attention, AttentionProducts& found) {
  if (!attention.is("FusedAttention", "edgeclip") || !attention.has_input(1)) return false;
  for (std::size_t part = 0; part < 3; ++part) {
    const ValueId id = attention.inputs[part];
    found[part] = index.producer(id);
    std::vector<const Node*> readers = {&attention};
    if (part == 1)
      for (const Node* merge : merges_by(graph, id, attention)) readers.push_back(merge);
    if (!found[part] || std::count(attention.inputs.begin(), attention.inputs.end(), id) != 1 ||
        !index.read_only_by(readers, {id}) || !is_plain_product(graph, *found[part])) return false;
    if (!are_alike(graph, *found[part], *found[0])) return false;
  }
  return true;
}

/// (K, 3 N) of three of (K, N); with K = 1 also of biases and scales.
template <class T>
Tensor side_by_side(const std::array<const Tensor*, 3>& parts, std::int64_t rows, std::int64_t columns,
                    Shape shape) {
  Tensor joined(DTypeOf<T>::value, std::move(shape));
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::size_t part = 0; part < 3; ++part) {
      T* to = joined.data<T>() + (3 * r + static_cast<std::int64_t>(part)) * columns;
      if (parts[part])
        std::copy_n(parts[part]->data<T>() + r * columns, columns, to);
      else
        std::fill_n(to, columns, T{});
    }
  return joined;
}

/// The product that stands in the place of q's.
Node joined_product(Graph& graph, const AttentionProducts& products) {
  const bool quantized = is_quantized(*products[0]);
  std::array<const Tensor*, 3> weights{}, biases{}, scales{};
  bool biased = false;
  for (std::size_t part = 0; part < 3; ++part) {
    const Node& product = *products[part];
    weights[part] = &*graph.value(product.inputs[1]).constant;
    if (quantized) scales[part] = &*graph.value(product.inputs[kQuantWScale]).constant;
    if (bias_of(product) == kNoValue) continue;
    biases[part] = &*graph.value(bias_of(product)).constant;
    biased = true;
  }
  const std::int64_t rows = weights[0]->dim(0), columns = weights[0]->dim(1);
  Tensor all_weights = quantized ? side_by_side<std::int8_t>(weights, rows, columns, {rows, 3 * columns})
                                 : side_by_side<float>(weights, rows, columns, {rows, 3 * columns});
  Tensor all_biases = biased ? side_by_side<float>(biases, 1, columns, {3 * columns}) : Tensor();
  Tensor all_scales = quantized ? side_by_side<float>(scales, 1, columns, {3 * columns}) : Tensor();

  Node joined = *products[0];
  Value result = graph.value(joined.outputs[0]);
  result.name += "/qkv";
  if (result.shape && !result.shape->empty()) result.shape->back() = 3 * columns;
  const std::string name = graph.value(joined.inputs[1]).name + "/qkv";
  std::vector<ValueId> inputs = {joined.inputs[0], graph.add_constant(name, std::move(all_weights))};
  if (quantized) inputs.push_back(graph.add_constant(name + "/scale", std::move(all_scales)));
  inputs.push_back(biased ? graph.add_constant(name + "/bias", std::move(all_biases)) : kNoValue);
  become(joined, quantized ? "QuantMatMul" : "FusedMatMul", std::move(inputs),
         quantized ? joined.attributes : std::map<std::string, Attribute>{});
  for (const std::size_t part : {1, 2}) add_origins(joined, *products[part]);
  joined.outputs = {graph.add_value(std::move(result))};
  return joined;
}

}  // namespace

int join_attention_products(Graph& graph) {
  const GraphIndex index(graph);  // each product is read by one attention, so that no rewrite meets another
  int count = 0;
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    AttentionProducts products{};
    if (!index.alive(i) || !products_of(graph, index, graph.nodes()[i], products)) continue;
    Node joined = joined_product(graph, products);
    Node& attention = graph.nodes()[i];
    for (Node* merge : merges_by(graph, attention.inputs[1], attention)) {
      merge->inputs[1] = joined.outputs[0];
      merge->attributes["joined"] = std::int64_t{1};
    }
    const ValueId mask = attention.has_input(3) ? attention.inputs[3] : kNoValue;
    become(attention, "FusedAttention", {joined.outputs[0], kNoValue, kNoValue, mask}, attention.attributes);
    graph.nodes()[static_cast<std::size_t>(products[0] - graph.nodes().data())] = std::move(joined);
    ++count;
  }
  if (count > 0) graph.remove_dead();
  return count;
}

}  // namespace edgeclip::builder
