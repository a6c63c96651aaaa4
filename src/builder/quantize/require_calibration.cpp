#include <onnx/onnx_pb.h>

#include <algorithm>
#include <set>

#include "builder/quantize/calibration.h"
#include "builder/quantize/qdq_writer.h"
#include "bundle/excluded.h"
#include "onnx/graph_builder.h"

namespace edgeclip::builder {
namespace {

constexpr const char* kRemedy = "calibrate again with quantize --data DATASET";

using Tensors = std::map<std::string, TensorCalibration>;

void require_tower(const Tensors& tensors, const char* tower, const std::filesystem::path& file,
                   const std::vector<std::string>& exclude, const std::string& where) {
  const ::onnx::ModelProto model = onnx_ir::read_model(file);
  std::set<std::string> needed, possible, of_products;
  for (const auto& product : find_quantizable(model, excluded_of(exclude, tower))) {
    needed.insert(product.activation);
    if (!product.convolution) of_products.insert(product.activation);
  }
  for (const auto& product : find_quantizable(model, {})) possible.insert(product.activation);
  const std::string at = fmt::format("{}: tensors.{}", where, tower);
  // Such a file cannot be taken: it does not say whether its convolutions are to stay float32, which earlier ones did.
  const auto has = [&](const std::string& name) { return tensors.count(name) != 0; };
  if (needed.size() > of_products.size() && std::none_of(needed.begin(), needed.end(), [&](const std::string& name) {
        return of_products.count(name) == 0 && has(name);
      }) && std::all_of(of_products.begin(), of_products.end(), has))
    invalid_input("{}: has no ranges of what convolutions of {} read, like files of older versions; {}", at, file.filename().string(),
                  kRemedy);
  if (tensors.empty() && !needed.empty())
    invalid_input("{}: is empty, and products of {} read {} values; the file was made for one tower only: {}",
                  at, file.filename().string(), needed.size(), kRemedy);
  for (const auto& [name, tensor] : tensors)
    if (!possible.count(name))
      invalid_input("{}: names \"{}\", which no product of {} reads; the file was made for another model: {}",
                    at, name, file.filename().string(), kRemedy);
  for (const std::string& name : needed)
    if (!tensors.count(name))
      invalid_input("{}: has no range of \"{}\", which products of {} read; {}", at, name,
                    file.filename().string(), kRemedy);
}

}  // namespace

void require_calibration_of(const Bundle& bundle, const Calibration& calibration, const std::string& where) {
  require_tower(calibration.image, "image", bundle.image_onnx(), calibration.options.exclude, where);
  require_tower(calibration.text, "text", bundle.text_onnx(), calibration.options.exclude, where);
}

}  // namespace edgeclip::builder
