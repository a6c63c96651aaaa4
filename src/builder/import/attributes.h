#pragma once

#include <filesystem>

#include "engine/graph/graph.h"
#include "engine/ops/operator.h"

namespace onnx {
class NodeProto;
class TensorProto;
}  // namespace onnx

namespace edgeclip::builder {

/// Reads a node's attributes as they are in the file; check_node() judges them.  row: of the operator, for
/// lists that are empty and without a type.  Throws InvalidInput (node, attribute) for one that is given
/// twice, Unsupported for graphs and the like.
void read_attributes(engine::Node& node, const engine::Operator& row, const ::onnx::NodeProto& proto,
                     const std::filesystem::path& folder);

/// onnx_ir::tensor_from_proto, and every bool is 0 or 1 whatever the file's bytes are (C++ leaves others
/// undefined).
Tensor load_tensor(const ::onnx::TensorProto& proto, const std::filesystem::path& folder,
                   const std::string& where);

/// The tensor of a Constant node, whichever attribute holds it.
Tensor constant_value(const engine::Node& node, const ::onnx::NodeProto& proto,
                      const std::filesystem::path& folder);

}  // namespace edgeclip::builder
