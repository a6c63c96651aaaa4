#include "model/import/position_embedding.h"

#include <cmath>

#include "base/error.h"

namespace edgeclip {

torch::Tensor resize_position_embedding(const torch::Tensor& table, std::int64_t rows, std::int64_t columns,
                                        const std::string& rule) {
  EDGECLIP_CHECK(
      table.dim() == 2 && rows > 0 && columns > 0 && (rule == "open_clip" || rule == "huggingface"),
      "rule {}", rule);
  const std::int64_t patches = table.size(0) - 1, width = table.size(1);
  const auto grid = static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(patches))));
  if (grid < 1 || grid * grid != patches)
    invalid_input("position embedding: {} patches are no square grid, which alone is resized", patches);
  if (grid == rows && grid == columns) return table;
  const torch::Tensor image =
      table.slice(0, 1).reshape({1, grid, grid, width}).permute({0, 3, 1, 2}).contiguous();
  const torch::Tensor resized =
      rule == "open_clip" ? at::_upsample_bicubic2d_aa(image, {rows, columns}, /*align_corners=*/false)
                          : at::upsample_bicubic2d(image, {rows, columns}, /*align_corners=*/false);
  return torch::cat({table.slice(0, 0, 1), resized.permute({0, 2, 3, 1}).reshape({rows * columns, width})},
                    0);
}

}  // namespace edgeclip
