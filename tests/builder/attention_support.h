#pragma once

#include "builder/rewrite_support.h"

namespace edgeclip::test {

/// Attentions as exporters write them, with 2 heads of 16 over x (batch, tokens, 32).
struct AttentionMaker : RewriteMaker {
  engine::ValueId x = input("x", DType::f32, {-1, -1, 32}, {"batch", "tokens", ""});

  engine::ValueId transpose(engine::ValueId of, std::vector<std::int64_t> perm) {
    return node("Transpose", {of}, {{"perm", std::move(perm)}});
  }
  engine::ValueId scaled(engine::ValueId of, float by) { return node("Mul", {of, scalar(by)}); }
  engine::ValueId apart(engine::ValueId rows, std::int64_t heads = 2) {
    return node("Reshape", {rows, ints({0, 0, heads, 32 / heads})});
  }
  engine::ValueId heads(engine::ValueId rows, std::int64_t count = 2) {
    return transpose(apart(rows, count), {0, 2, 1, 3});
  }
  engine::ValueId transposed_heads(engine::ValueId rows, std::int64_t count = 2) {
    return transpose(apart(rows, count), {0, 2, 3, 1});
  }
  engine::ValueId softmax(engine::ValueId scores) {
    return node("Softmax", {scores}, {{"axis", std::int64_t{-1}}});
  }
  engine::ValueId rows(engine::ValueId heads) {
    return node("Reshape", {transpose(heads, {0, 2, 1, 3}), ints({0, 0, 32})});
  }
  /// x W + b.
  engine::ValueId product(engine::ValueId of, float size, bool bias = true) {
    return fused("FusedMatMul", bias ? std::vector{of, weights({32, 32}, size), weights({32}, size)}
                                     : std::vector{of, weights({32, 32}, size)});
  }
  engine::ValueId attention(std::vector<engine::ValueId> inputs) {
    return fused("FusedAttention", std::move(inputs), {{"num_heads", std::int64_t{2}}, {"scale", 0.25F}});
  }
};

}  // namespace edgeclip::test
