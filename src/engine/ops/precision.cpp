#include "engine/ops/precision.h"

#include <algorithm>

namespace edgeclip::engine {

namespace {

std::string name_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "fp32";
    case DType::f64:
      return "fp64";
    case DType::f16:
      return "fp16";
    default:
      return dtype == DType::bf16 ? "bf16" : dtype_name(dtype);
  }
}

}  // namespace

std::string node_precision(const Node& node, const std::vector<DType>& inputs, DType output) {
  for (const char* part : {"Quant", "QLinear", "Integer"})
    if (node.op.find(part) != std::string::npos) return "int8";
  for (const DType narrow : {DType::f16, DType::bf16})
    if (std::count(inputs.begin(), inputs.end(), narrow) > 0) return name_of(narrow);
  return name_of(output);
}

}  // namespace edgeclip::engine
