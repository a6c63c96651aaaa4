#pragma once

#include <map>
#include <string>

#include "builder/quantize/calibration_samples.h"
#include "builder/quantize/quantize_layers.h"
#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// Of what has no noise: nothing measured in float32 comes near.
inline constexpr double kMostDecibels = 200;

/// 10 log10(signal / noise) in dB, sums of squares, within +-kMostDecibels; where they are no numbers the least, since such values say nothing
/// for eight bits.
double decibels(double signal, double noise);

/// What quantization does to each layer by itself: signal to quantization noise ratio of its output,
///   10 log10(sum y^2 / sum (y - y_q)^2)  in dB,
/// y being what the layer of the float32 graph gives and y_q what its quantized form gives for the same
/// inputs, over the first samples (16, or one batch).  By QuantizableLayer::key, for all layers that
/// quantize_layers() would rewrite; kMostDecibels where there is no noise.  (B. Widrow, I. Kollar, "Quantization
/// Noise", 2008; the measure of ONNX Runtime's qdq_loss_debug.)
std::map<std::string, double> measure_sqnr(const engine::Graph& graph, const LayerQuantization& how,
                                           const CalibrationSamples& samples, const std::string& where);

}  // namespace edgeclip::builder
