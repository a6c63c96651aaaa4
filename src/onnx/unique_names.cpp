#include "onnx/unique_names.h"

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

namespace edgeclip::onnx_ir {

UniqueNames::UniqueNames(const ::onnx::GraphProto& graph) {
  for (const auto& input : graph.input()) names_.insert(input.name());
  for (const auto& tensor : graph.initializer()) names_.insert(tensor.name());
  for (const auto& node : graph.node()) {
    names_.insert(node.name());
    names_.insert(node.output().begin(), node.output().end());
  }
}

std::string UniqueNames::unique(const std::string& wanted) {
  std::string name = wanted;
  for (int n = 1; !take(name); ++n) name = fmt::format("{}_{}", wanted, n);
  return name;
}

}  // namespace edgeclip::onnx_ir
