#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

namespace edgeclip {

/// The sequences of a batch, one behind the other as the rows of a matrix (N, W): of what is padding no row is
/// computed.  Where they lie is known on the host, whatever the device of the rows is.
struct Sequences {
  /// A bias that hides a key, and is finite after any change of units: a sequence whose keys are all hidden
  /// still gives numbers.
  static constexpr float kHidden = -1e38F;

  /// B sequences, each of the same length.
  static Sequences equal(std::int64_t count, std::int64_t length);
  /// Sequence b has lengths[b] rows, at least one.
  static Sequences of_lengths(const std::vector<std::int64_t>& lengths);

  std::int64_t count() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  std::int64_t rows() const { return offsets.back(); }
  std::int64_t begin(std::int64_t b) const { return offsets[static_cast<std::size_t>(b)]; }
  std::int64_t length(std::int64_t b) const { return begin(b + 1) - begin(b); }
  std::int64_t longest() const;
  /// Whether all have the same length.
  bool is_equal() const { return rows() == count() * longest(); }

  /// The rows of the sequences' first positions, (B) int64.
  torch::Tensor first_rows(const torch::Device& device) const;
  /// Of each row its sequence, and its position in that, (N) int64.
  torch::Tensor owners(const torch::Device& device) const;
  torch::Tensor positions(const torch::Device& device) const;
  /// Of each row its place among the elements of a matrix (B, padded), (N) int64.
  torch::Tensor places(std::int64_t padded, const torch::Device& device) const;

  std::vector<std::int64_t> offsets = {0};  ///< (B + 1): sequence b is rows [offsets[b], offsets[b + 1])
  bool causal = false;                      ///< a row sees itself and what stands before it in its sequence
  torch::Tensor sizes;     ///< (N) float32: of how many tokens a row is the mean; undefined: of one
  torch::Tensor key_bias;  ///< (N) float32, added to the scores of a row's key; undefined: nothing
};

}  // namespace edgeclip
