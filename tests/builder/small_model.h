#pragma once

#include <filesystem>

#include "engine/small_graphs.h"
#include "onnx/graph_builder.h"
#include "onnx/model.h"

namespace edgeclip::engine::test {

/// x (batch, 6) ─► MatMul ─► Add ─► Relu ─► y (batch, 4): one fused layer
inline void write_small_model(const std::filesystem::path& file) {
  namespace ir = onnx_ir;
  ir::GraphBuilder g("small");
  const auto x = g.input("x", DType::f32, {-1, 6}, {"batch", ""});
  const auto weights = g.initializer("w", random_floats({6, 4}, 1));
  const auto bias = g.initializer("b", random_floats({4}, 2));
  const auto sum = g.add(g.matmul(x, weights), bias);
  g.output(g.node("Relu", {sum}, DType::f32, {-1, 4}), "y", {"batch", ""});
  ir::write_model(file, g.model());
}

/// left (batch, 2) + right (batch, 2) ─► sum; of one batch.
inline void write_two_inputs(const std::filesystem::path& file) {
  namespace ir = onnx_ir;
  ir::GraphBuilder g("two");
  const auto left = g.input("left", DType::f32, {-1, 2}, {"batch", ""});
  const auto right = g.input("right", DType::f32, {-1, 2}, {"batch", ""});
  g.output(g.add(left, right), "sum", {"batch", ""});
  ir::write_model(file, g.model());
}

/// x (batch, 64) ─► Sigmoid ─► MatMul ─► y (batch, 1): the Sigmoid's result needs memory of the pool.
inline void write_wide(const std::filesystem::path& file) {
  namespace ir = onnx_ir;
  ir::GraphBuilder g("wide");
  const auto x = g.input("x", DType::f32, {-1, 64}, {"batch", ""});
  g.output(g.matmul(g.sigmoid(x), g.initializer("w", random_floats({64, 1}, 1))), "y", {"batch", ""});
  ir::write_model(file, g.model());
}

/// x (batch, 6) ─► Relu ─► a (batch, 6), x ─► MatMul ─► b (batch, 4096)
inline void write_two_outputs(const std::filesystem::path& file) {
  namespace ir = onnx_ir;
  ir::GraphBuilder g("two");
  const auto x = g.input("x", DType::f32, {-1, 6}, {"batch", ""});
  g.output(g.node("Relu", {x}, DType::f32, {-1, 6}), "a", {"batch", ""});
  g.output(g.matmul(x, g.initializer("w", random_floats({6, 4096}, 1))), "b", {"batch", ""});
  ir::write_model(file, g.model());
}

/// ids (batch) int64 ─► Gather of (5, 4) ─► MatMul ─► y (batch, 4)
inline void write_lookup(const std::filesystem::path& file) {
  namespace ir = onnx_ir;
  ir::GraphBuilder g("lookup");
  const auto ids = g.input("ids", DType::i64, {-1}, {"batch"});
  const auto rows = g.gather(g.initializer("table", random_floats({5, 4}, 1)), ids, 0);
  g.output(g.matmul(rows, g.initializer("w", random_floats({4, 4}, 2))), "y", {"batch", ""});
  ir::write_model(file, g.model());
}

/// x (1, 3, 4, 4) ─► Conv ─► Conv ─► y (1, 2, 4, 4), both 1 x 1
inline void write_convolutions(const std::filesystem::path& file) {
  namespace ir = onnx_ir;
  ir::GraphBuilder g("convolutions");
  const auto x = g.input("x", DType::f32, {1, 3, 4, 4}, {"", "", "", ""});
  const auto first = g.initializer("w1", random_floats({4, 3, 1, 1}, 1));
  const auto second = g.initializer("w2", random_floats({2, 4, 1, 1}, 2));
  const auto inner = g.node("Conv", {x, first}, DType::f32, {1, 4, 4, 4});
  g.output(g.node("Conv", {inner, second}, DType::f32, {1, 2, 4, 4}), "y", {"", "", "", ""});
  ir::write_model(file, g.model());
}

/// x (2, 3, 3) ─► Det ─► y (2): no dynamic dimension, and no kernel but the reference.
inline void write_determinants(const std::filesystem::path& file) {
  namespace ir = onnx_ir;
  ir::GraphBuilder g("determinants");
  const auto x = g.input("x", DType::f32, {2, 3, 3}, {"", "", ""});
  g.output(g.node("Det", {x}, DType::f32, {2}), "y", {""});
  ir::write_model(file, g.model());
}

}  // namespace edgeclip::engine::test
