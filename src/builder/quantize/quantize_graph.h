#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "builder/quantize/calibration.h"
#include "builder/quantize/calibration_samples.h"
#include "builder/quantize/quantize_layers.h"
#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// Least SQNR of a layer's output in int8, dB, below which precision mixed leaves it in bf16.  30 dB is noise
/// of a thousandth of the power: that of 20 such layers in a row adds up to 0.02, a cosine of 0.99 to
/// float32. (bf16 weights alone lie near 55 dB.)
inline constexpr double kMixedMinSqnr = 30;

/// What is known of one graph when it is to be int8 or mixed.
struct GraphQuantization {
  std::string where;  ///< what was named on the command line, for messages
  std::string label;  ///< "image tower"
  /// What the user can do where activations are not calibrated, for the warning.
  std::string remedy = "give --calibration";
  /// What to calibrate with, or nullptr.
  std::shared_ptr<const CalibrationSamples> samples;
  /// Instead of samples: ranges of a calibration.json.
  std::optional<std::map<std::string, TensorCalibration>> ranges;
  CalibrationOptions options;  ///< of samples; exclude: of ranges too
  int weight_bits = 8;
  /// mixed: see kMixedMinSqnr; nothing: all layers become int8.
  std::optional<double> min_sqnr;
};

struct QuantizedGraph {
  int layers = 0;                      ///< that became int8, beside those that were
  std::map<std::string, double> sqnr;  ///< dB by QuantizableLayer::key, where it was measured
};

/// What quantize_graph() asks quantize_layers() for, without min_sqnr: runs the samples, if there are some.
LayerQuantization layer_quantization(const engine::Graph& graph, const GraphQuantization& how);

/// Quantizes the layers of an optimized graph (quantize_layers()), and warns where that leaves all of it
/// float32, or convolutions for want of ranges:
///   calibrated (samples or ranges)  products and convolutions, activations with one scale per tensor
///   neither                         products, activations with a scale per row, found at run time:
///                                   results do not depend on the batch; convolutions stay float32
///   min_sqnr                        of these the layers whose SQNR (measure_sqnr()) is at least that
/// Convolutions that read an input of the graph do not become int8 (mixed: they become bf16): what they see is what calibration knows
/// least of, their rounding goes through everything behind them, and they are a few percent of the work.  A
/// product of an image's patches (passes/patch_embedding.cpp) has a scale for every patch, calibrated or not, and so it has in a graph
/// whose Q/DQ pairs made the other layers int8 before (ranges without any).
/// ranges: require_calibration_of() is for the caller.
QuantizedGraph quantize_graph(engine::Graph& graph, const GraphQuantization& how);

/// Products and convolutions with constant weights in the graph as it is now, for the report:
///   {"int8_layers", "layers": [{"name", "op", "precision", "activations" ("tensor", "row" or null),
///    "sqnr_db" (null: not measured)}]}
Json layers_report(const engine::Graph& graph, const std::map<std::string, double>& sqnr);

}  // namespace edgeclip::builder
