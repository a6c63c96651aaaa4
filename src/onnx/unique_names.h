#pragma once

#include <set>
#include <string>

namespace onnx {
class GraphProto;
}  // namespace onnx

namespace edgeclip::onnx_ir {

/// The names of a graph, of values and nodes alike: a node and its output share one.
class UniqueNames {
 public:
  UniqueNames() = default;
  /// Those of the graph's inputs, initializers, nodes and their outputs.
  explicit UniqueNames(const ::onnx::GraphProto& graph);

  /// Whether the name was free; it is taken from then on.
  bool take(const std::string& name) { return names_.insert(name).second; }
  /// wanted, or with a number behind it; it is taken from then on.
  std::string unique(const std::string& wanted);

 private:
  std::set<std::string> names_;
};

}  // namespace edgeclip::onnx_ir
