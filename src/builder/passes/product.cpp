#include "builder/passes/product.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

class TakeApart {
 public:
  TakeApart(const Graph& graph, const GraphIndex& index) : graph_(graph), index_(index) {}

  void take(const Node& node) {
    if (const auto scaling = scaled(graph_, node)) {
      product.constant *= scaling->factor;
      descend(scaling->x);
    } else {
      descend(node.inputs[0]);
      descend(node.inputs[1]);
    }
  }

  Product product;

 private:
  static constexpr int kMostProducts = 8;  ///< of a GELU; a longer chain is something else

  void descend(ValueId id) {
    const Node* producer = index_.producer(id);
    if (product.factors.size() <= 2 && ++products_ < kMostProducts && producer && index_.read_once(id) &&
        (producer->is("Mul") || scaled(graph_, *producer)))
      take(*producer);
    else
      product.factors.push_back(id);
  }

  const Graph& graph_;
  const GraphIndex& index_;
  int products_ = 0;
};

}  // namespace

std::optional<Product> take_apart(const Graph& graph, const GraphIndex& index, const Node& node) {
  if (!node.is("Mul") && !(node.is("Div") && scaled(graph, node))) return {};
  TakeApart apart(graph, index);
  apart.take(node);
  return std::move(apart.product);
}

}  // namespace edgeclip::builder
