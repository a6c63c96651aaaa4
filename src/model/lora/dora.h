#pragma once

#include "model/compute_type.h"
#include "model/lora/lora_pair.h"

/// DoRA (Liu et al. 2024, arXiv:2402.09353): a weight is taken apart into the direction of each row, which
/// LoRA's pair moves, and its length, which trains by itself:
///   W' = magnitude * V / |V|,   V = W + scale * B A,   |V|: the length of each row.
namespace edgeclip {

/// The length of each row: (out, in) -> (out), float32.  Never 0: a row of zeros has no direction, and stays.
torch::Tensor row_lengths(const torch::Tensor& matrix);

/// x W'^T + b.  x: (..., in); dropped: the adapter's input, (..., in), which may be x; weight: (out, in),
/// float32 or, frozen, bf16; bias: (out) or undefined; pair with a magnitude.  As in PEFT |V| counts as a
/// constant in the backward pass (section 4.3 of the paper), and what is dropped of the adapter's input is
/// dropped of what the magnitude adds to the base's output too.  Gradients for x, dropped, A, B, magnitude,
/// and for weight and bias if they train.
torch::Tensor dora_linear(const torch::Tensor& x, const torch::Tensor& dropped, const torch::Tensor& weight,
                          const torch::Tensor& bias, const LoraPair& pair, ComputeType compute);

}  // namespace edgeclip
