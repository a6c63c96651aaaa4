#pragma once

#include <vector>

#include "engine/cpu/divided_call.h"

namespace edgeclip::engine {

/// A matrix, or a batch of them, as it lies: (batch..., rows, columns).
struct Matrices {
  dnnl::memory::dims dims, strides;
  dnnl::memory::desc desc() const { return {dims, kF32, strides}; }
};
Matrices dense_matrices(const dnnl::memory::dims& dims);

/// A part of the product C = A B: operands of its own, and the elements in front of them.
struct ProductSlice {
  Matrices a, b, c;
  std::int64_t a_at = 0, b_at = 0, c_at = 0;
  std::int64_t row = 0, column = 0;  ///< of C, where it begins
};

/// C (batch..., M, N) = A (batch..., M, K) B (batch..., K, N), batch dimensions of A and B 1 where they are
/// broadcast: along a batch dimension that is long enough for the threads, else along the rows, or the
/// columns where there are few rows. constant: B is one and is packed by slices: along the columns
/// where it is large, however many rows there are.
std::vector<ProductSlice> product_slices(const Matrices& a, const Matrices& b, const Matrices& c, int threads,
                                         bool constant);

}  // namespace edgeclip::engine
