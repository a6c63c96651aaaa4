#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
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
  /// Whether each of the values is read by these nodes alone, and is no graph output: what a rewrite that
  /// swallows nodes which share values asks once it has found them all.
  bool read_only_by(const std::vector<const engine::Node*>& nodes,
                    const std::vector<engine::ValueId>& values) const;
  bool alive(std::size_t node) const { return alive_.at(node); }

 private:
  const engine::Graph& graph_;
  std::vector<bool> alive_;
  std::vector<std::ptrdiff_t> producers_;  ///< -1: none
  std::vector<int> reads_;                 ///< a graph output counts twice: it can never be swallowed
};

/// The value of a constant with one element of float32 or float64; nothing otherwise.
std::optional<double> scalar(const engine::Graph& graph, engine::ValueId id);
/// Whether a constant of this rank, with one element, leaves the shape of what it is combined with alone: (1,
/// 1) times (N) is (1, N).  shape: of the other side, as far as known.
bool keeps_shape(const engine::Graph& graph, engine::ValueId constant, const std::optional<Shape>& shape);
/// |a - b| <= 1e-5 |b|: constants that exporters wrote in float32.
bool near(double a, double b);

/// x * c or x / c with a scalar constant on either side (the divisor only, for Div) that does not widen x's
/// shape.
struct Scaled {
  engine::ValueId x;
  double factor;
};
std::optional<Scaled> scaled(const engine::Graph& graph, const engine::Node& node);

/// Whether node is x ^ exponent (Pow, or Sqrt for 1/2) with an exponent that does not widen x's shape.
bool is_power(const engine::Graph& graph, const engine::Node& node, double exponent);

/// The axis of a reduction over one that keeps it as 1, as the attribute or the constant input has it;
/// nothing for others.
std::optional<std::int64_t> reduced_axis(const engine::Graph& graph, const engine::Node& reduce);

/// Runs `rewrite(graph, index, node index)` over all nodes; it changes the node in place and says whether it
/// did.  What loses its readers is removed at the end; the rewritten node takes over its origins.  Returns
/// the number of rewrites.
int rewrite_nodes(engine::Graph& graph,
                  const std::function<bool(engine::Graph&, const GraphIndex&, std::size_t)>& rewrite);

/// Makes `node` an operator of domain edgeclip with these inputs; its name, outputs stay.  Inputs that are
/// left out at the end go.
void become(engine::Node& node, const char* op, std::vector<engine::ValueId> inputs,
            std::map<std::string, engine::Attribute> attributes = {});
/// The same for an operator of ONNX as this opset has it.
void become_onnx(engine::Node& node, const char* op, int opset, std::vector<engine::ValueId> inputs,
                 std::map<std::string, engine::Attribute> attributes = {});

}  // namespace edgeclip::builder
