#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "builder/quantize/calibration.h"
#include "data/dataset/dataset.h"
#include "data/image/transform.h"
#include "data/text/tokenizer.h"
#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// Samples that run together where the batch is dynamic.
inline constexpr std::int64_t kCalibrationBatch = 8;

/// Inputs of one graph to observe it with, in batches: a pure function of where they come from.
class CalibrationSamples {
 public:
  virtual ~CalibrationSamples() = default;
  virtual std::int64_t samples() const = 0;  ///< > 0
  virtual std::int64_t batches() const = 0;
  /// The graph's inputs in their order.  Throws InvalidInput if a file cannot be read.
  virtual std::vector<Tensor> batch(std::int64_t i) const = 0;
  /// Where they come from, for messages: of row `row` alone, or of all of batch i where that is not known.
  virtual std::string name(std::int64_t i, std::optional<std::int64_t> row) const = 0;
};

/// options.samples images of the split, evenly spread, as (batch, 3, H, W) float32.  Throws InvalidInput if
/// the dataset has no such split.
std::unique_ptr<CalibrationSamples> dataset_images(std::shared_ptr<const Dataset> dataset,
                                                   const CalibrationOptions& options,
                                                   const ImageTransform& transform, std::int64_t batch);

/// A caption of each of these images, in turn its first, second, ..., as (batch, T) token ids.
std::unique_ptr<CalibrationSamples> dataset_texts(std::shared_ptr<const Dataset> dataset,
                                                  const CalibrationOptions& options,
                                                  std::shared_ptr<const Tokenizer> tokenizer,
                                                  int context_length);

/// A folder with the inputs of a graph, either of these:
///   NAME.npy      of every input, samples along the first dimension (in all of them as many); they run in
///                 batches of the model's size, or of up to kCalibrationBatch where that is dynamic
///   */NAME.npy    a sub-folder for every run, in the order of their names, with the inputs as the model
///                 takes them: texts of several lengths, inputs without a batch
/// NAME is the input's name with "_" for every "/".  All floats are read once, now: a sample that is not
/// finite says nothing of the layers behind it, some of which (a ReLU) make ordinary numbers of it.  Throws
/// InvalidInput naming the file and what it should be, for a missing one, another type, dimensions that the
/// model does not take, a file without samples, and the first sample that is not finite.
std::unique_ptr<CalibrationSamples> folder_samples(const std::filesystem::path& folder,
                                                   const engine::Graph& graph);

}  // namespace edgeclip::builder
