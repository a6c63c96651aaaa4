#pragma once

#include <vector>

#include "engine/ops/support.h"

namespace edgeclip::engine {

/// NumPy's matmul of stacks of matrices, (..., M, K) x (..., K, N) -> (..., M, N) with broadcast stacks; a
/// vector on the left is a row, on the right a column, and its dimension is gone from the result.
struct MatMulShape {
  std::int64_t m = 1, n = 1, k = 1;
  Shape result;
  Shape stack, stack_a, stack_b;  ///< dimensions of the stacks: the result's, A's and B's
};

/// Throws InvalidInput if the shapes do not fit.
inline MatMulShape matmul_shape(const Node& node, Shape a, Shape b) {
  if (a.empty() || b.empty()) refuse(node, "a scalar is no matrix");
  const bool row = a.size() == 1, column = b.size() == 1;
  if (row) a.insert(a.begin(), 1);
  if (column) b.push_back(1);
  MatMulShape s;
  s.m = a[a.size() - 2];
  s.k = a.back();
  s.n = b.back();
  if (b[b.size() - 2] != s.k)
    refuse(node, "{} x {} do not fit: {} against {}", shape_string(a), shape_string(b), s.k, b[b.size() - 2]);
  s.stack_a.assign(a.begin(), a.end() - 2);
  s.stack_b.assign(b.begin(), b.end() - 2);
  s.stack = broadcast_shapes(node, s.stack_a, s.stack_b);
  s.result = s.stack;
  if (!row) s.result.push_back(s.m);
  if (!column) s.result.push_back(s.n);
  return s;
}

/// Calls visit(index, offset of A's matrix, offset of B's) in elements, for every matrix of the result.
template <class Visit>
void for_each_matrix(const MatMulShape& s, Visit visit) {
  const Shape strides[2] = {broadcast_strides(s.stack_a, s.stack), broadcast_strides(s.stack_b, s.stack)};
  std::int64_t index = 0;
  for_each_row(
      s.stack, strides, [&](const std::int64_t* offsets, std::int64_t count, const std::int64_t* steps) {
        for (std::int64_t i = 0; i < count; ++i)
          visit(index++, (offsets[0] + i * steps[0]) * s.m * s.k, (offsets[1] + i * steps[1]) * s.k * s.n);
      });
}

/// y[m, n] = sum_k a[m, k] * b[k, n], summed as W; finish(row, column, sum) gives the element.
template <class W, class A, class B, class Y, class Finish>
void multiply_matrices(const A* a, const B* b, Y* y, std::int64_t m, std::int64_t n, std::int64_t k,
                       Finish finish) {
  std::vector<W> sums(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < m; ++i) {
    std::fill(sums.begin(), sums.end(), W(0));
    for (std::int64_t p = 0; p < k; ++p) {
      const W x = static_cast<W>(a[i * k + p]);
      for (std::int64_t j = 0; j < n; ++j)
        sums[static_cast<std::size_t>(j)] += x * static_cast<W>(b[p * n + j]);
    }
    for (std::int64_t j = 0; j < n; ++j) y[i * n + j] = finish(i, j, sums[static_cast<std::size_t>(j)]);
  }
}

}  // namespace edgeclip::engine
