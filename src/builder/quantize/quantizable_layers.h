#pragma once

#include <string>
#include <vector>

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// A layer of an optimized graph that int8 kernels can take over: a product by a constant matrix, or a
/// convolution with constant weights, of float32.
struct QuantizableLayer {
  std::size_t node = 0;  ///< index in the graph
  bool convolution = false;
  engine::ValueId activation = engine::kNoValue;  ///< input 0
  engine::ValueId weights = engine::kNoValue;     ///< input 1: (K, N), or (M, C / group, kernel...)
  engine::ValueId residual = engine::kNoValue;    ///< what a convolution adds
  std::string key;  ///< name of its output, unique in the graph: node names need not be
};

/// Whether the node is a product or convolution, quantized or not, in any precision of its weights.
bool reads_weights(const engine::Node& node);

/// All of them in the graph's order, but those for which the name of the node, of an ONNX node that it stands
/// for, or of its weights contains one of `exclude`.
std::vector<QuantizableLayer> quantizable_layers(const engine::Graph& graph,
                                                 const std::vector<std::string>& exclude = {});

}  // namespace edgeclip::builder
