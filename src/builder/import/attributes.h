#pragma once

#include <filesystem>

#include "engine/graph/graph.h"
#include "engine/ops/operator.h"

namespace onnx {
class NodeProto;
class TensorProto;
}  // namespace onnx

namespace edgeclip::builder {

/// Reads a node's attributes as the operator's row lists them.  Throws InvalidInput (node, attribute) for one
/// of another type, one that the operator does not have, one that is missing or given twice.
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
