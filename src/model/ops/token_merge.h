#pragma once

#include <utility>

#include "model/sequences.h"

namespace edgeclip::ops {

/// Bipartite soft matching (Bolya et al. 2022, arXiv:2210.09461): of each image's T tokens `merged` become one with another.
///
/// A token's key is the mean over its heads, as a unit vector.  Tokens 0, 2, 4, ... are sources, 1, 3, 5, ... targets.  The
/// `merged` sources that are most alike to their nearest target go into it, but never token 0; of equal sources those behind,
/// of equal targets the first.  What is left are the other sources in their order, and behind them the targets, each the mean of
/// what it holds, weighted by sizes.
///
/// x: (B T, W) float32, sequences of one length T; keys: (B T, heads d) of any float type.  1 <= merged < (T + 1) / 2.
/// -> rows (B (T - merged), W), differentiable in x (the matching is not, and takes no gradient), and their sequences with
/// sizes.  Any device.
std::pair<torch::Tensor, Sequences> merge_tokens(const torch::Tensor& x, const torch::Tensor& keys, std::int64_t heads,
                                                 const Sequences& sequences, std::int64_t merged);

/// How near the decisions of merge_tokens() were to others, while it lives and in its thread.  What is nearer than rounding
/// may be decided otherwise by another program.
class MergeMargins {
 public:
  MergeMargins();
  ~MergeMargins();
  MergeMargins(const MergeMargins&) = delete;
  MergeMargins& operator=(const MergeMargins&) = delete;

  /// Of each image of the one pass since, (B): the least difference between a product of unit keys that was taken and one
  /// that was not.  Undefined if nothing was merged.
  torch::Tensor least;

 private:
  MergeMargins* const outer_;
};

}  // namespace edgeclip::ops
