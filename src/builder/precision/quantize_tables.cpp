#include "builder/precision/quantize_tables.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

#include "bundle/excluded.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

struct QuantizedTable {
  Tensor values, scales;
};

std::optional<QuantizedTable> quantize(const Tensor& table) {
  const std::int64_t rows = table.dim(0), width = table.dim(1);
  QuantizedTable result{Tensor(DType::i8, table.shape()), Tensor(DType::f32, {rows})};
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* x = table.data<float>() + r * width;
    float largest = 0;
    for (std::int64_t k = 0; k < width; ++k) {
      if (!std::isfinite(x[k])) return {};
      largest = std::max(largest, std::fabs(x[k]));
    }
    const float scale = largest > 0 ? largest / 127.0f : 1.0f;
    result.scales.data<float>()[r] = scale;
    for (std::int64_t k = 0; k < width; ++k)
      result.values.data<std::int8_t>()[r * width + k] =
          static_cast<std::int8_t>(std::nearbyint(std::fmin(127.0f, std::fmax(-127.0f, x[k] / scale))));
  }
  return result;
}

}  // namespace

int quantize_tables(Graph& graph, const std::vector<std::string>& exclude, std::int64_t smallest) {
  int count = 0;
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    if (!graph.nodes()[i].is("Gather") || graph.nodes()[i].int_or("axis", 0) != 0) continue;
    const ValueId table = graph.nodes()[i].inputs[0];
    const auto& constant = graph.value(table).constant;
    if (!constant || constant->dtype() != DType::f32 || constant->shape().size() != 2 ||
        constant->elements() < smallest || graph.consumers(table).size() != 1 || graph.is_output(table))
      continue;
    if (has_excluded_part(graph.value(table).name, exclude)) continue;
    auto quantized = quantize(*constant);
    if (!quantized) continue;
    const std::string name = graph.value(table).name;
    const ValueId values = graph.add_constant(name + ".int8", std::move(quantized->values)),
                  scales = graph.add_constant(name + ".scale", std::move(quantized->scales));
    Node& node = graph.nodes()[i];
    node.op = "QuantGather";
    node.domain = "edgeclip";
    node.opset = 1;
    node.attributes.clear();
    node.inputs = {values, scales, node.inputs[1]};
    ++count;
  }
  if (count > 0) graph.remove_dead();
  return count;
}

}  // namespace edgeclip::builder
