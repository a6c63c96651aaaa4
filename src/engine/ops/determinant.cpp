#include <cmath>

#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// Det: the determinant of each matrix of a stack.
namespace edgeclip::engine {

namespace {

void infer_det(ShapeContext& context) {
  const Shape& x = context.inputs[0].shape;
  require_float(context, 0);
  if (x.size() < 2 || x[x.size() - 2] != x.back())
    refuse(context.node, "{} are no square matrices", shape_string(x));
  add_output(context, context.inputs[0].dtype, Shape(x.begin(), x.end() - 2));
}

/// Gauss' elimination of a row-major n x n matrix, with the largest element of a column as its pivot.
double determinant(std::vector<double> a, std::size_t n) {
  double result = 1;
  for (std::size_t c = 0; c < n; ++c) {
    std::size_t pivot = c;
    for (std::size_t r = c + 1; r < n; ++r)
      if (std::fabs(a[r * n + c]) > std::fabs(a[pivot * n + c])) pivot = r;
    if (pivot != c) {
      for (std::size_t k = c; k < n; ++k) std::swap(a[pivot * n + k], a[c * n + k]);
      result = -result;
    }
    const double diagonal = a[c * n + c];
    result *= diagonal;
    if (diagonal == 0) return result;
    for (std::size_t r = c + 1; r < n; ++r) {
      const double factor = a[r * n + c] / diagonal;
      for (std::size_t k = c; k < n; ++k) a[r * n + k] -= factor * a[c * n + k];
    }
  }
  return result;
}

void run_det(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const std::int64_t n = inputs[0].shape.back();
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = inputs[0].as<T>();
    T* y = outputs[0].as<T>();
    for (std::int64_t i = 0, count = outputs[0].elements(); i < count; ++i, x += n * n)
      y[i] = static_cast<T>(determinant(std::vector<double>(x, x + n * n), static_cast<std::size_t>(n)));
  });
}

}  // namespace

const std::vector<Operator>& determinant_operators() {
  static const std::vector<Operator> rows = {
      {"Det", "", 11, kNewestOpset, infer_det, run_det, 1, 1},
  };
  return rows;
}

}  // namespace edgeclip::engine
