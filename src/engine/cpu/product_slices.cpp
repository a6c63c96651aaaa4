#include "engine/cpu/product_slices.h"

#include <algorithm>
#include <utility>

#include "engine/cpu/cpu_node.h"

namespace edgeclip::engine {

namespace {

/// Fewer rows or columns of a slice than this leave a kernel's tile half empty.
constexpr std::int64_t kRowsOfPart = 8, kColumns = 16;

}  // namespace

Matrices dense_matrices(const dnnl::memory::dims& dims) { return {dims, dense_strides(dims)}; }

std::vector<ProductSlice> product_slices(const Matrices& a, const Matrices& b, const Matrices& c, int threads,
                                         bool constant) {
  const std::size_t rank = c.dims.size(), rows = rank - 2, columns = rank - 1;
  const std::int64_t m = c.dims[rows], n = c.dims[columns], k = a.dims[columns];
  std::int64_t batch = 1;
  std::size_t longest = 0;  // of the batch dimensions
  for (std::size_t d = 0; d < rows; ++d) {
    batch *= c.dims[d];
    if (c.dims[d] > c.dims[longest] || longest >= rows) longest = d;
  }
  std::size_t along = columns;
  std::vector<Range> ranges;
  // Whether weights are packed by columns may not follow from the rows.
  if (constant && k * n > kParallelElements && n >= threads * kColumns) {
    ranges = divided(n, k * n, threads, kColumns, 1);
  } else {
    if (rows > 0 && c.dims[longest] >= threads &&
        (c.dims[longest] % threads == 0 || c.dims[longest] > 2 * threads))
      along = longest;
    else if (constant || m >= threads * kRowsOfPart || n < threads * kColumns)
      along = rows;
    ranges = divided(c.dims[along], batch * (m * n * k / kMacsOfElement + m * k + k * n + m * n), threads,
                     along == columns ? kColumns : 1);
  }
  std::vector<ProductSlice> slices;
  for (const Range& range : ranges) {
    ProductSlice slice{a, b, c};
    const auto cut = [&](Matrices& operand, std::int64_t& at) {
      if (operand.dims[along] == 1) return;  // the same for all
      operand.dims[along] = range.length();
      at = range.begin * operand.strides[along];
    };
    if (along != columns) cut(slice.a, slice.a_at);
    if (along != rows) cut(slice.b, slice.b_at);
    cut(slice.c, slice.c_at);
    if (along == rows) slice.row = range.begin;
    if (along == columns) slice.column = range.begin;
    slices.push_back(std::move(slice));
  }
  return slices;
}

}  // namespace edgeclip::engine
