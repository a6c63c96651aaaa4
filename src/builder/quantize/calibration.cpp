#include "builder/quantize/calibration.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <memory>
#include <set>

#include "builder/import/onnx_import.h"
#include "builder/quantize/calibrate_graph.h"
#include "builder/quantize/calibration_samples.h"
#include "builder/quantize/qdq_rewriter.h"
#include "builder/quantize/qdq_writer.h"
#include "builder/quantize/smooth.h"
#include "bundle/excluded.h"
#include "data/dataset/dataset.h"
#include "data/text/tokenizer.h"
#include "onnx/graph_builder.h"

namespace edgeclip::builder {

using namespace engine;

ActivationScale choose_scale(const Histogram& histogram, const CalibrationOptions& options) {
  Range range = histogram.percentile_range(options.calibrator == "percentile" ? options.percentile : 100);
  if (options.calibrator == "mse") range = histogram.least_error_range();
  if (options.calibrator == "entropy") range = histogram.entropy_range();
  return activation_scale(range.low, range.high);
}

namespace {

/// What goes into the quantizable products and convolutions of one tower, whose graph is not optimized so that its values are
/// those of the ONNX file.
std::map<std::string, TensorCalibration> calibrate_tower(const std::filesystem::path& file,
                                                         const CalibrationSamples& samples,
                                                         const CalibrationOptions& options) {
  std::set<std::string> wanted;
  const ::onnx::ModelProto model = onnx_ir::read_model(file);
  require_scales_per_channel(model, file);  // before the minutes that follow
  std::set<std::string> images;  // what convolutions read has its channels elsewhere
  for (const auto& product : find_quantizable(model, options.exclude)) {
    wanted.insert(product.activation);
    if (product.convolution) images.insert(product.activation);
  }
  if (wanted.empty()) return {};
  Graph graph = import_onnx(file);
  std::map<std::string, ChannelStatistics> channels;
  std::map<std::string, std::vector<float>> factors;
  if (options.smooth > 0) {
    calibrate_graph(graph, wanted, samples, options, file.string(), &channels);
    std::map<std::string, std::vector<float>> most;
    for (auto& [name, seen] : channels)
      if (!images.count(name)) most[name] = std::move(seen.most);
    factors = smoothing_factors(graph, most, options.smooth);
    std::map<std::string, TensorCalibration> smooth;
    for (const auto& [name, factor] : factors) smooth[name].smooth = factor;
    set_constants(graph, smoothed_constants(graph, smooth, file.string()));
  }
  auto tensors = calibrate_graph(graph, wanted, samples, options, file.string(), options.bias_correction ? &channels : nullptr);
  for (auto& [name, factor] : factors) tensors.at(name).smooth = std::move(factor);
  if (options.bias_correction)
    for (auto& [name, tensor] : tensors)
      if (!images.count(name)) tensor.mean = channels.at(name).mean;
  return tensors;
}

}  // namespace

Calibration calibrate(const Bundle& bundle, const CalibrationOptions& options, int weight_bits) {
  check_calibration_options(options);
  const auto dataset =
      std::make_shared<const Dataset>(open_dataset_with_images(options.data, options.image_root));
  const auto images = dataset_images(dataset, options, bundle.card.image, kCalibrationBatch);
  // The bundle's own tokenizer: the dataset may have been prepared with another.
  const auto texts = dataset_texts(dataset, options, load_tokenizer(bundle.tokenizer().string()),
                                   bundle.card.context_length);
  Calibration out;
  out.options = options;
  out.options.samples = static_cast<int>(images->samples());
  out.weight_bits = weight_bits;
  CalibrationOptions of_tower = options;
  of_tower.exclude = excluded_of(options.exclude, "image");
  out.image = calibrate_tower(bundle.image_onnx(), *images, of_tower);
  of_tower.exclude = excluded_of(options.exclude, "text");
  out.text = calibrate_tower(bundle.text_onnx(), *texts, of_tower);
  if (out.image.empty() && out.text.empty())
    invalid_input("{}: no product or convolution is left to quantize; check the exclude list",
                  bundle.directory.string());
  return out;
}

}  // namespace edgeclip::builder
