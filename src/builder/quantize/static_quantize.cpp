#include "builder/quantize/static_quantize.h"

#include <onnx/onnx_pb.h>

#include "base/log.h"
#include "base/signals.h"
#include "builder/quantize/qdq_writer.h"
#include "onnx/graph_builder.h"

namespace edgeclip::builder {
namespace {

int write_tower(const std::filesystem::path& file, const std::map<std::string, TensorCalibration>& tensors,
                const Calibration& calibration, const std::filesystem::path& out) {
  throw_if_interrupted();
  std::map<std::string, ActivationScale> scales;
  for (const auto& [name, tensor] : tensors) scales[name] = tensor.scale;
  ::onnx::ModelProto model = onnx_ir::read_model(file);
  const auto all = find_quantizable(model, {});
  const int count = insert_qdq(model, scales, calibration.options.exclude, calibration.weight_bits, file);
  store_int8_weights(model, {/*layers=*/false, calibration.options.exclude}, file);
  if (!onnx_ir::check_model(model, out.string()))
    spdlog::info("{}: libonnx's checker does not know its opset yet", out.filename().string());
  onnx_ir::write_model(out, model);
  spdlog::info("{}: {} of {} MatMuls with constant weights are int8", out.filename().string(), count,
               all.size());
  return count;
}

}  // namespace

QuantizedCounts write_quantized_models(const Bundle& bundle, const Calibration& calibration,
                                       const std::filesystem::path& out) {
  QuantizedCounts counts;
  counts.image = write_tower(bundle.image_onnx(), calibration.image, calibration, out / "image.onnx");
  counts.text = write_tower(bundle.text_onnx(), calibration.text, calibration, out / "text.onnx");
  write_json(out / "calibration.json", calibration.to_json());
  return counts;
}

}  // namespace edgeclip::builder
