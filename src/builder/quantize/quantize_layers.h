#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "builder/quantize/quant_math.h"
#include "builder/quantize/quantizable_layers.h"
#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// Which layers become int8, and how.
struct LayerQuantization {
  std::map<std::string, ActivationScale> activations;  ///< by the name of the value
  std::map<std::string, std::vector<float>> means;     ///< by the name of the value, of products with a bias: corrected_bias()
  bool per_row = false;              ///< products whose activation has no entry: a scale for every row
  std::set<std::string> by_row;      ///< QuantizableLayer::key of products that have one, calibrated or not
  std::set<std::string> stay;        ///< QuantizableLayer::key of those that stay float32
  std::vector<std::string> exclude;  ///< as quantizable_layers() takes it
  int weight_bits = 8;               ///< quantize_weights()
};

/// Whether quantize_layers() rewrites this layer of the graph.
bool becomes_int8(const engine::Graph& graph, const QuantizableLayer& layer, const LayerQuantization& how);

/// x ─► MatMul | FusedMatMul | Conv | FusedConv(W) ─► y
///   ⇒  x ─► QuantizeLinear(calibrated) ─► QuantMatMul | QuantConv(W int8, a scale per channel) ─► y
///   ⇒  x ─► QuantizeRows ─► QuantMatMul(W int8; row_scale) ─► y          by_row; per_row, x not calibrated
///   ⇒  x ─► AffineQuantizeRows ─► QuantMatMul(W int8; row_scale, row_zero_point) ─► y     the same behind a GELU or another
///      activation function that gives little or nothing below zero: a symmetric range would leave half of its steps unused
///   and what a convolution adds becomes uint8 as well (residual_scale, residual_zero_point), where it is calibrated, comes
///   from an int8 layer or is read by one anyway, and nobody wants the floats
/// of an optimized graph.  An activation that several layers read is quantized once, weights too.  Biases but for `means`,
/// activation function and other residuals stay what they were.  Left alone: layers that quantizable_layers() does
/// not give, those of `stay`, convolutions without a calibrated activation and, without per_row, such
/// products.  Returns how many layers it rewrote.  Throws InvalidInput if weights are not finite.
int quantize_layers(engine::Graph& graph, const LayerQuantization& how, const std::string& where);

}  // namespace edgeclip::builder
