#include "builder/passes/join_attention_products.h"

#include <algorithm>
#include <array>

#include "builder/passes/pattern.h"

//    ┌─► FusedMatMul(Wq, bq) ─► q ─┐
// x ─┼─► FusedMatMul(Wk, bk) ─► k ─┼─► FusedAttention ─► y
//    └─► FusedMatMul(Wv, bv) ─► v ─┘
//                      ⇒  x ─► FusedMatMul(Wq | Wk | Wv, bq | bk | bv) ─► FusedAttention ─► y
// MatMul (without a bias) as well; a bias that some lack is 0 for them.  Columns of a product do not meet, so
// each is what it was.
// Refuses: another x, weights that are no float32 constants or of different sizes, an activation, a residual,
// and products that somebody else reads.
namespace edgeclip::builder {

using namespace engine;

namespace {

using AttentionProducts = std::array<const Node*, 3>;

const Tensor* float_constant(const Graph& graph, ValueId id, std::size_t rank) {
  const auto& tensor = graph.value(id).constant;
  return tensor && tensor->dtype() == DType::f32 && tensor->shape().size() == rank ? &*tensor : nullptr;
}

/// x W, or x W + b with constants.
bool is_plain_product(const Graph& graph, const Node& node) {
  if (!node.is("MatMul") && !node.is("FusedMatMul", "edgeclip")) return false;
  const Tensor* weights = float_constant(graph, node.inputs[1], 2);
  return weights && !node.has_input(3) && node.string_or("activation", "").empty() &&
         (!node.has_input(2) || float_constant(graph, node.inputs[2], 1));
}

/// Those of an attention; nothing if they are not three alike.
bool products_of(const Graph& graph, const GraphIndex& index, const Node& attention, AttentionProducts& found) {
  if (!attention.is("FusedAttention", "edgeclip") || !attention.has_input(1)) return false;
  for (std::size_t part = 0; part < 3; ++part) {
    const ValueId id = attention.inputs[part];
    found[part] = index.producer(id);
    if (!found[part] || !index.read_once(id) || !is_plain_product(graph, *found[part])) return false;
    if (found[part]->inputs[0] != found[0]->inputs[0] ||
        graph.value(found[part]->inputs[1]).constant->shape() !=
            graph.value(found[0]->inputs[1]).constant->shape())
      return false;
  }
  return true;
}

/// (K, 3 N) of three of (K, N); with K = 1 also of biases.
Tensor side_by_side(const std::array<const Tensor*, 3>& parts, std::int64_t rows, std::int64_t columns,
                    Shape shape) {
  Tensor joined(DType::f32, std::move(shape));
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::size_t part = 0; part < 3; ++part) {
      float* to = joined.data<float>() + (3 * r + static_cast<std::int64_t>(part)) * columns;
      if (parts[part])
        std::copy_n(parts[part]->data<float>() + r * columns, columns, to);
      else
        std::fill_n(to, columns, 0.0F);
    }
  return joined;
}

/// The product that stands in the place of q's.
Node joined_product(Graph& graph, const AttentionProducts& products) {
  std::array<const Tensor*, 3> weights{}, biases{};
  bool biased = false;
  for (std::size_t part = 0; part < 3; ++part) {
    const Node& product = *products[part];
    weights[part] = &*graph.value(product.inputs[1]).constant;
    if (!product.has_input(2)) continue;
    biases[part] = &*graph.value(product.inputs[2]).constant;
    biased = true;
  }
  const std::int64_t rows = weights[0]->dim(0), columns = weights[0]->dim(1);
  Tensor all_weights = side_by_side(weights, rows, columns, {rows, 3 * columns});
  Tensor all_biases = biased ? side_by_side(biases, 1, columns, {3 * columns}) : Tensor();

  Node joined = *products[0];
  Value result = graph.value(joined.outputs[0]);
  result.name += "/qkv";
  if (result.shape && !result.shape->empty()) result.shape->back() = 3 * columns;
  const std::string name = graph.value(joined.inputs[1]).name + "/qkv";
  become(joined, "FusedMatMul",
         {joined.inputs[0], graph.add_constant(name, std::move(all_weights)),
          biased ? graph.add_constant(name + "/bias", std::move(all_biases)) : kNoValue});
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
    const ValueId mask = attention.has_input(3) ? attention.inputs[3] : kNoValue;
    become(attention, "FusedAttention", {joined.outputs[0], kNoValue, kNoValue, mask}, attention.attributes);
    graph.nodes()[static_cast<std::size_t>(products[0] - graph.nodes().data())] = std::move(joined);
    ++count;
  }
  if (count > 0) graph.remove_dead();
  return count;
}

}  // namespace edgeclip::builder
