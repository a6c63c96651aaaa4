#include "builder/quantize/static_quantize.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "base/signals.h"
#include "builder/import/onnx_import.h"
#include "builder/quantize/qdq_writer.h"
#include "builder/quantize/smooth.h"
#include "bundle/excluded.h"
#include "onnx/graph_builder.h"

namespace edgeclip::builder {
namespace {

/// tensors: those that nothing quantized reads go.
int write_tower(const std::filesystem::path& file, const char* tower, const Calibration& calibration,
                std::map<std::string, TensorCalibration>& tensors, const std::filesystem::path& out) {
  throw_if_interrupted();
  const std::vector<std::string> exclude = excluded_of(calibration.options.exclude, tower);
  ::onnx::ModelProto model = onnx_ir::read_model(file);
  const auto is_smooth = [](const auto& tensor) { return !tensor.second.smooth.empty(); };
  if (std::any_of(tensors.begin(), tensors.end(), is_smooth))  // whoever reads the values, int8 or not
    set_constants(model, smoothed_constants(import_onnx(file), tensors, file.string()), file.string());
  const auto all = find_quantizable(model, {});
  std::set<std::string> read;
  for (const auto& product : find_quantizable(model, exclude)) read.insert(product.activation);
  std::erase_if(tensors, [&](const auto& tensor) {
    return read.count(tensor.first) == 0 && tensor.second.smooth.empty();
  });
  std::map<std::string, ActivationScale> scales;
  std::map<std::string, std::vector<float>> means;
  for (const auto& [name, tensor] : tensors) {
    scales[name] = tensor.scale;
    if (!tensor.mean.empty()) means[name] = tensor.mean;
  }
  const int count = insert_qdq(model, scales, exclude, calibration.weight_bits, file, means);
  store_int8_weights(model, {/*layers=*/false, exclude, calibration.weight_bits}, file);
  if (!onnx_ir::check_model(model, out.string()))
    spdlog::info("{}: libonnx's checker does not know its opset yet", out.filename().string());
  onnx_ir::write_model(out, model);
  spdlog::info("{}: {} of {} products and convolutions with constant weights are int8", out.filename().string(), count,
               all.size());
  return count;
}

}  // namespace

QuantizedCounts write_quantized_models(const Bundle& bundle, const Calibration& calibration,
                                       const std::filesystem::path& out) {
  QuantizedCounts counts;
  Calibration used = calibration;
  counts.image = write_tower(bundle.image_onnx(), "image", calibration, used.image, out / "image.onnx");
  counts.text = write_tower(bundle.text_onnx(), "text", calibration, used.text, out / "text.onnx");
  if (counts.image + counts.text == 0)
    invalid_input("{}: no product is left to quantize; leave fewer out (--exclude {})",
                  bundle.directory.string(), fmt::join(calibration.options.exclude, " "));
  write_json(out / kCalibrationFile, used.to_json());
  return counts;
}

}  // namespace edgeclip::builder
