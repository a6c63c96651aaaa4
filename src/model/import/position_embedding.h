#pragma once

#include <torch/torch.h>

#include <string>

namespace edgeclip {

/// Resizes a table of learned positions, (1 + G * G, W) float32, to a grid of rows x columns: (1 + rows *
/// columns, W).  Row 0 (the class token) stays.  rule: "open_clip" (bicubic with antialiasing, coefficient
/// -0.5) or "huggingface" (bicubic without, -0.75); both with align_corners false.
torch::Tensor resize_position_embedding(const torch::Tensor& table, std::int64_t rows, std::int64_t columns,
                                        const std::string& rule);

}  // namespace edgeclip
