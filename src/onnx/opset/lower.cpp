#include "onnx/opset/lower.h"

#include "base/error.h"

namespace edgeclip::onnx_ir {

namespace {

using ::onnx::NodeProto;

struct Step {
  int opset;  ///< models of older sets than this take the step
  const char* op;
  void (*lower)(const NodeProto& node, NodeRewriter& graph);
};

/// From the newest down: what a step writes is in the language of the set before its own, and may be taken further.
constexpr Step kSteps[] = {{20, "Gelu", lower_gelu},
                           {18, "ReduceMean", lower_reduce_axes},
                           {18, "ReduceL2", lower_reduce_axes},
                           {17, "LayerNormalization", lower_layer_normalization},
                           {15, "Shape", lower_shape_range},
                           {13, "ReduceSum", lower_reduce_axes}};

/// The version of the format that came with an operator set (onnx/docs/Versioning.md).
int ir_version_of(int opset) { return opset < 15 ? 7 : opset < 19 ? 8 : 9; }

}  // namespace

void require_writable_opset(int opset) {
  if (opset < kOldestOpset || opset > kWrittenOpset)
    invalid_input("opset {}: ONNX models are written for opsets {} to {}; leave --opset out for {}", opset, kOldestOpset,
                  kWrittenOpset, kDefaultOpset);
}

void lower_to_opset(::onnx::ModelProto& model, int opset) {
  require_writable_opset(opset);
  NodeRewriter graph(*model.mutable_graph());
  for (const Step& step : kSteps)
    if (opset < step.opset) graph.rewrite(step.op, step.lower);
  graph.drop_unread();
  model.clear_opset_import();
  auto* import = model.add_opset_import();
  import->set_domain("");
  import->set_version(opset);
  model.set_ir_version(ir_version_of(opset));
}

}  // namespace edgeclip::onnx_ir
