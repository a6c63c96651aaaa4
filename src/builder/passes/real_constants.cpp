#include "builder/passes/real_constants.h"

#include <algorithm>

namespace edgeclip::builder {

using namespace engine;

const Tensor* real_constant(const Graph& graph, ValueId id) {
  if (id == kNoValue || !graph.value(id).is_constant()) return nullptr;
  const Tensor& tensor = *graph.value(id).constant;
  return tensor.dtype() == DType::f32 || tensor.dtype() == DType::f64 ? &tensor : nullptr;
}

std::vector<double> reals_of(const Tensor& tensor) {
  if (tensor.dtype() == DType::f64) return {tensor.data<double>(), tensor.data<double>() + tensor.elements()};
  return {tensor.data<float>(), tensor.data<float>() + tensor.elements()};
}

Tensor make_reals(DType dtype, Shape shape, const std::vector<double>& values) {
  Tensor tensor(dtype, std::move(shape));
  if (dtype == DType::f64)
    std::copy(values.begin(), values.end(), tensor.data<double>());
  else
    std::transform(values.begin(), values.end(), tensor.data<float>(),
                   [](double value) { return static_cast<float>(value); });
  return tensor;
}

std::vector<double> values_along(const Tensor& tensor, std::size_t axis, std::int64_t count,
                                 std::size_t rank) {
  const Shape& shape = tensor.shape();
  if (shape.size() > rank || axis >= rank) return {};
  if (tensor.elements() == 1)
    return std::vector<double>(static_cast<std::size_t>(count), reals_of(tensor)[0]);
  const std::size_t before = rank - shape.size();  // dimensions that it lacks
  if (axis < before || tensor.elements() != count || shape[axis - before] != count) return {};
  return reals_of(tensor);
}

}  // namespace edgeclip::builder
