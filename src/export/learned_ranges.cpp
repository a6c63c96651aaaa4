#include "export/learned_ranges.h"

#include <onnx/onnx_pb.h>

#include "base/error.h"

namespace edgeclip {

std::map<std::string, TensorCalibration> activations_with_ranges(const onnx_ir::Model& graph, const QuantizationRanges& ranges) {
  const std::string end = ".weight";
  std::map<std::string, TensorCalibration> activations;
  for (const auto& node : graph.proto.graph().node()) {
    if ((node.op_type() != "MatMul" && node.op_type() != "Conv") || node.input_size() < 2) continue;
    const std::string& weights = node.input(1);
    if (weights.size() <= end.size() || weights.compare(weights.size() - end.size(), end.size(), end) != 0) continue;
    const auto range = ranges.layers.find(weights.substr(0, weights.size() - end.size()));
    if (range == ranges.layers.end()) continue;
    const auto [low, high] = range->second;
    const auto [entry, fresh] = activations.try_emplace(node.input(0), TensorCalibration{activation_scale(low, high), low, high});
    EDGECLIP_CHECK(fresh || (entry->second.min == low && entry->second.max == high),
                   "{}: layers that read it have two ranges", node.input(0));
  }
  return activations;
}

Calibration learned_calibration(const QuantizationRanges& ranges, std::map<std::string, TensorCalibration> image,
                                std::map<std::string, TensorCalibration> text) {
  Calibration calibration;
  calibration.options.calibrator = kTrainedRanges;
  calibration.options.percentile = 100;
  calibration.options.data = ranges.data;
  calibration.options.split = ranges.split;
  calibration.options.samples = static_cast<int>(ranges.samples);
  calibration.options.exclude = ranges.exclude;
  calibration.weight_bits = ranges.weight_bits;
  calibration.image = std::move(image);
  calibration.text = std::move(text);
  return calibration;
}

}  // namespace edgeclip
