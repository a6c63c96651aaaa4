#pragma once

#include <optional>

#include "builder/passes/pattern.h"

/// Halves of Q/DQ pairs, as quantized ONNX models hold them: what a DequantizeLinear node gives in float32,
/// seen as the integers before it.
namespace edgeclip::builder {

/// Activations of uint8 or int8 with one constant scale > 0 and zero point (left out: 0).
struct DequantizedActivation {
  engine::ValueId quantized;
  float scale;
  std::int64_t zero_point;
};
std::optional<DequantizedActivation> dequantized_activation(const engine::Graph& graph,
                                                            const GraphIndex& index, engine::ValueId id);

/// A constant of int8 with zero point 0 and a scale for each place along `axis`, or one for all.
struct DequantizedWeights {
  engine::ValueId quantized;
  engine::ValueId scale;  ///< the scale as it is in the model: (), (1) or (channels)
  const engine::Node* dequantize;
};
std::optional<DequantizedWeights> dequantized_weights(const engine::Graph& graph, const GraphIndex& index,
                                                      engine::ValueId id, std::size_t axis);
/// Its scales as a constant (channels).
engine::ValueId channel_scales(engine::Graph& graph, const DequantizedWeights& weights,
                               std::int64_t channels);

/// A bias of `channels` elements as a constant of float32: the value itself, or what a DequantizeLinear of
/// constants gives; kNoValue if it is neither.
engine::ValueId constant_bias(engine::Graph& graph, const GraphIndex& index, engine::ValueId id,
                              std::int64_t channels);

}  // namespace edgeclip::builder
