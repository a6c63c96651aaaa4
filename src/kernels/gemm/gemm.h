#pragma once

#include <cstdint>
#include <string>

#include "kernels/executor.h"
#include "kernels/gemm/epilogue.h"
#include "kernels/gemm/packed_weights.h"

namespace edgeclip::kernels {

/// The left operand A (M, K), row-major.
struct GemmInput {
  /// float32, bfloat16 patterns, or uint8 / int8 as the weights were packed for.
  const void* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t stride = 0;  ///< elements from row to row
};

/// epilogue(A W): A (M, K) by packed weights (K, N), K at least 1, divided over the executor's threads.
///
/// Each element of the output is a sum over k in one order, whatever M, the number of threads and the other rows:
/// a row alone gives the bits that it gives in a batch.  8-bit products are summed exactly (of weights that were
/// not halved, packed_weights.h), and rounded once.
///
/// bfloat16 and 8-bit rows are read in whole steps of K (bf16_row_elements(), s8_row_elements()), of which what is
/// beyond K is multiplied by zero: rows must be readable so far, and beyond K hold finite bfloat16 numbers.
/// column_scale and bias of the epilogue are read in whole panels: `padded_columns()` elements.
/// Thread-safe; allocates nothing.
void gemm(Executor& executor, const GemmInput& a, const PackedWeights& w, const Epilogue& epilogue);

/// Elements of a row of A that are read.
std::int64_t row_elements(const PackedWeights& w);
/// Elements of column_scale and bias that are read.
std::int64_t padded_columns(const PackedWeights& w);

/// The same by readable loops, in float64 and 64-bit integers, of the weights as they were before packing:
/// w (K, N) row-major.  The oracle.  column_scale and bias need no padding here.
void reference_gemm(const float* a, std::int64_t a_stride, const float* w, std::int64_t m, std::int64_t k,
                    std::int64_t n, const Epilogue& epilogue);
void reference_gemm(const std::uint8_t* a, std::int64_t a_stride, bool signed_a, const std::int8_t* w, std::int64_t m,
                    std::int64_t k, std::int64_t n, const Epilogue& epilogue);

/// "s8:amx": what multiplies by these weights.
std::string product_name(const PackedWeights& w);

/// n float32 as bfloat16 patterns, the bits of BFloat16, by the kernels of this machine's level.
void narrow_to_bf16(const float* from, std::int64_t n, std::uint16_t* to);

/// Rows of A in the form that products by w read: rows (M, K) of float32 rounded to bfloat16, or of bytes as they are,
/// to rows of row_elements(w), of which what is beyond K is zero.
void make_rows_bf16(Executor& executor, const float* from, std::int64_t rows, const PackedWeights& w, std::uint16_t* to);
void pad_rows(Executor& executor, const std::uint8_t* from, std::int64_t rows, const PackedWeights& w, std::uint8_t* to);

}  // namespace edgeclip::kernels
