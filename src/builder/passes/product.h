#pragma once

#include <optional>
#include <vector>

#include "builder/passes/pattern.h"

namespace edgeclip::builder {

/// A product taken apart through its chain of Mul, and Div by a scalar, however that is grouped.
struct Product {
  std::vector<engine::ValueId> factors;  ///< those that are no scalar constants
  double constant = 1;                   ///< the product of those that are
};

/// Of a Mul, or a Div by a constant scalar; nothing for other nodes.  Goes through products that nobody else
/// reads, and no further than an activation function could reach.
std::optional<Product> take_apart(const engine::Graph& graph, const GraphIndex& index,
                                  const engine::Node& node);

}  // namespace edgeclip::builder
