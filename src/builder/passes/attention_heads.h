#pragma once

#include <optional>

#include "builder/passes/pattern.h"
#include "engine/graph/shape_inference.h"

namespace edgeclip::builder {

/// The rows (B, T, H Dh) that an attention's operand was made of, and a scalar that it is multiplied by.
struct HeadsOfRows {
  engine::ValueId rows = engine::kNoValue;
  double factor = 1;
  engine::SymbolicDim batch = 0, length = 0;
  std::int64_t heads = 0, size = 0;  ///< H and Dh
};

/// Looks through what exporters write between rows and heads, by the shapes that are proved, whatever the
/// constants are that they are written with.
class AttentionHeads {
 public:
  AttentionHeads(const engine::Graph& graph, const GraphIndex& index, const engine::ShapeFacts& facts)
      : graph_(graph), index_(index), facts_(facts) {}

  // What heads are made of:
  // rows ─► [Mul(c)] ─► Reshape (B, T, H, Dh) ─► Transpose(0, 2, 1, 3) ─► [Mul(c)] ─► heads (B, H, T, Dh)
  std::optional<HeadsOfRows> heads(engine::ValueId id) const;

  // The same of heads turned for a product:
  // rows ─► ... Reshape (B, T, H, Dh) ─► Transpose(0, 2, 3, 1) ─► [Mul(c)] ─► (B, H, Dh, T), or
  // heads ─► Transpose(0, 1, 3, 2), or
  // heads ─► Reshape (B H, T, Dh) ─► Transpose(0, 2, 1) ─► Reshape (B, H, Dh, T)
  std::optional<HeadsOfRows> transposed_heads(engine::ValueId id) const;

  // heads ─► Transpose(0, 2, 1, 3) ─► Reshape ─► (B, T, H Dh): the heads' value, if nobody else reads what
  // lies between.
  engine::ValueId heads_behind(const engine::Node& reshape, const HeadsOfRows& like) const;

  /// Without its multiplications and divisions by scalars, which go into `factor`.
  engine::ValueId without_factor(engine::ValueId id, double& factor) const;
  /// The same through values that nobody else reads.
  engine::ValueId without_inner_factor(engine::ValueId id, double& factor) const;

 private:
  const engine::Node* transpose(engine::ValueId id, const std::vector<std::int64_t>& perm) const;
  std::optional<HeadsOfRows> reshaped_rows(engine::ValueId id, double factor) const;

  const engine::Graph& graph_;
  const GraphIndex& index_;
  const engine::ShapeFacts& facts_;
};

}  // namespace edgeclip::builder
