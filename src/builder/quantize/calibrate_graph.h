#pragma once

#include <map>
#include <set>
#include <string>

#include "builder/quantize/calibration.h"
#include "builder/quantize/calibration_samples.h"
#include "engine/graph/graph.h"
#include "engine/runtime/session.h"

namespace edgeclip::builder {

/// Of sessions that run samples: no limit that a device would need.
engine::SessionOptions calibration_session_options();

/// Runs the graph over all samples and records what goes into its products and convolutions, and what its nodes give:
/// histograms of the `wanted` values among these, and from them a scale for each, as options.calibrator says.  Values keep
/// their ONNX names in an optimized graph.  Values that are neither have no entry.  where: for messages.  channels: filled
/// in, where it is given, for the same values.  Throws InvalidInput naming the sample if a value is not finite (with the
/// first node that gave such), or if the graph refuses a sample (ids out of range).
std::map<std::string, TensorCalibration> calibrate_graph(engine::Graph graph,
                                                         const std::set<std::string>& wanted,
                                                         const CalibrationSamples& samples,
                                                         const CalibrationOptions& options,
                                                         const std::string& where,
                                                         std::map<std::string, ChannelStatistics>* channels = nullptr);

}  // namespace edgeclip::builder
