#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// Who makes and who reads each value, nodes without effect left out.  Valid until the graph's nodes change:
/// after a rewrite, make a new one.  O(nodes) to build, O(1) to ask.
class GraphIndex {
 public:
  explicit GraphIndex(const engine::Graph& graph);

  /// The node that gives the value; nullptr for inputs and constants.
  const engine::Node* producer(engine::ValueId id) const;
  /// The node that gives the value if it is `op` of ONNX and nobody but one input of one node reads the value
  /// (nor is it a graph output), so that a rewrite may swallow it; nullptr otherwise.
  const engine::Node* inner(engine::ValueId id, const char* op, const char* domain = "") const;
  bool read_once(engine::ValueId id) const;
  bool alive(std::size_t node) const { return alive_.at(node); }

 private:
  const engine::Graph& graph_;
  std::vector<bool> alive_;
  std::vector<std::ptrdiff_t> producers_;  ///< -1: none
  std::vector<int> reads_;                 ///< a graph output counts twice: it can never be swallowed
};

/// The value of a constant with one element of float32 or float64; nothing otherwise.
std::optional<double> scalar(const engine::Graph& graph, engine::ValueId id);
/// |a - b| <= 1e-5 |b|: constants that exporters wrote in float32.
bool near(double a, double b);

/// x * c or x / c with a scalar constant on either side (the divisor only, for Div) that does not widen x's
/// shape.
struct Scaled {
  engine::ValueId x;
  double factor;
};
std::optional<Scaled> scaled(const engine::Graph& graph, const engine::Node& node);

/// Runs `rewrite(graph, index, node index)` over all nodes; it changes the node in place and says whether it
/// did.  What loses its readers is removed at the end; the rewritten node takes over its origins.  Returns
/// the number of rewrites.
int rewrite_nodes(engine::Graph& graph,
                  const std::function<bool(engine::Graph&, const GraphIndex&, std::size_t)>& rewrite);

/// Makes `node` an operator of domain edgeclip with these inputs; its name, outputs stay.
void become(engine::Node& node, const char* op, std::vector<engine::ValueId> inputs,
            std::map<std::string, engine::Attribute> attributes = {});

}  // namespace edgeclip::builder
