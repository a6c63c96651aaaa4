#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/rng.h"
#include "engine/cpu/int8_products.h"
#include "engine/ops/quant_matmul.h"
#include "support/support.h"

/// One edgeclip.QuantMatMul with random tensors, and what runs it.
namespace edgeclip::engine {

struct QuantMatMulCase {
  Shape leading;  ///< of A, without K
  std::int64_t k, n;
  std::string activation;
  bool bias = true, residual = false;
  int top = 127;  ///< largest weight
  DType type = DType::u8;
  bool rows = false;     ///< a scale for each row
  std::string out = "";  ///< out_type
  bool zero_points = false;  ///< one for each row
  friend void PrintTo(const QuantMatMulCase& c, std::ostream* out) {
    *out << shape_string(c.leading) << " K " << c.k << " N " << c.n << " " << c.activation
         << (c.bias ? " bias" : "") << (c.residual ? " residual" : "") << " top " << c.top << " "
         << dtype_name(c.type) << (c.rows ? " rows" : "") << (c.zero_points ? " zero points " : " ") << c.out;
  }
};

/// A node with its tensors, and what runs it.
struct QuantMatMulProblem {
  Node node;
  std::vector<Tensor> tensors;
  Inputs inputs;
  Tensor out;
  CpuState state;
  std::unique_ptr<PreparedNode> prepared;
  Scratch scratch;
  std::vector<std::byte> scratch_memory;

  QuantMatMulProblem(const QuantMatMulCase& c, std::uint64_t seed) {
    Rng rng(seed);
    node.name = "product";
    node.op = "QuantMatMul";
    node.domain = "edgeclip";
    node.opset = 1;
    const std::int64_t zero_point = c.rows ? 0 : c.type == DType::u8 ? 117 : -11;
    node.attributes = {{"a_scale", c.rows ? 1.0f : 0.02f}, {"a_zero_point", zero_point}, {"activation", c.activation}};
    if (!c.out.empty()) {
      node.attributes["out_type"] = c.out;
      node.attributes["out_scale"] = 0.0271f;
      node.attributes["out_zero_point"] = std::int64_t{c.out == "uint8" ? 101 : -5};
    }
    Shape a_shape = c.leading, y_shape = c.leading, row_shape = c.leading;
    a_shape.push_back(c.k);
    y_shape.push_back(c.n);
    row_shape.push_back(1);
    Tensor a(c.type, a_shape), w(DType::i8, {c.k, c.n}), scale(DType::f32, {c.n}), bias(DType::f32, {c.n});
    Tensor residual(DType::f32, y_shape), row_scale(DType::f32, row_shape);
    out = Tensor(c.out.empty() ? DType::f32 : c.out == "uint8" ? DType::u8 : DType::i8, y_shape);
    for (std::int64_t i = 0; i < a.elements(); ++i) a.raw()[i] = static_cast<std::byte>(rng.below(256));
    for (std::int64_t i = 0; i < row_scale.elements(); ++i)
      row_scale.data<float>()[i] = static_cast<float>(rng.uniform(0.001, 0.03));
    // Long runs of extreme products, which 16-bit sums would saturate on.
    for (std::int64_t i = 0; i < w.elements(); ++i)
      w.data<std::int8_t>()[i] = static_cast<std::int8_t>(rng.chance(0.5) ? c.top : rng.range(-c.top, c.top));
    for (std::int64_t i = 0; i < c.n; ++i) {
      scale.data<float>()[i] =
          static_cast<float>(rng.uniform(0.5, 2.0) / std::sqrt(static_cast<double>(c.k)) / c.top);
      bias.data<float>()[i] = static_cast<float>(rng.normal());
    }
    for (std::int64_t i = 0; i < residual.elements(); ++i)
      residual.data<float>()[i] = static_cast<float>(rng.normal());
    Tensor row_zero(DType::i32, row_shape);
    for (std::int64_t i = 0; i < row_zero.elements(); ++i)
      row_zero.data<std::int32_t>()[i] = static_cast<std::int32_t>(rng.below(256));
    tensors = {a, w, scale, bias, residual, row_scale, row_zero};
    const auto given = [](bool there, int value) { return there ? value : kNoValue; };
    node.inputs = {0, 1, 2, given(c.bias, 3), given(c.residual, 4), given(c.rows, 5), given(c.zero_points, 6)};
    for (const Tensor& t : tensors) inputs.push_back(t.view());
  }

  Outputs outputs() { return {{out.dtype(), out.shape(), out.raw()}}; }

  /// As the session asks for it: data of constants only.
  std::unique_ptr<Kernel> fast(QuantProducts products = QuantProducts::fast) {
    Inputs known = inputs;
    for (const std::size_t i : {0, 4, 5, 6}) known[i].data = nullptr;
    Outputs unknown = outputs();
    unknown[0].data = nullptr;
    const PrepareRequest request{node, known, state};
    prepared = prepare_quant_matmul(request, products);
    if (!prepared) return nullptr;
    auto kernel = prepared->bind({known, unknown, prepared->layouts(known, unknown, {}), scratch});
    if (kernel->implementation() == "reference") return nullptr;
    scratch_memory.resize(scratch.needed() + 64);
    const auto address = reinterpret_cast<std::uintptr_t>(scratch_memory.data());
    scratch.place(scratch_memory.data() + (64 - address % 64) % 64);
    return kernel;
  }

  Tensor run(Kernel& kernel) {
    out = Tensor(out.dtype(), out.shape());
    kernel.run(inputs, outputs());
    return out;
  }
  Tensor reference() { return run(*make_reference_kernel(node)); }
};

/// Quantized results: a step apart where rounding falls the other way, which is seldom.
inline void expect_products_a_step_apart(const Tensor& expected, const Tensor& actual) {
  const auto value = [](const Tensor& t, std::int64_t i) {
    return t.dtype() == DType::u8 ? int{t.data<std::uint8_t>()[i]} : int{t.data<std::int8_t>()[i]};
  };
  std::int64_t apart = 0;
  for (std::int64_t i = 0; i < expected.elements(); ++i) {
    ASSERT_LE(std::abs(value(expected, i) - value(actual, i)), 1) << "at " << i;
    apart += value(expected, i) != value(actual, i);
  }
  EXPECT_LE(apart, 1 + expected.elements() / 100);
}

/// Within tolerance of the size of what is added up, which what is left of it after cancellation does not
/// tell: the root mean square of the tensor stands for it.
inline void expect_products_near(const Tensor& expected, const Tensor& actual, double tolerance) {
  ASSERT_EQ(expected.shape(), actual.shape());
  ASSERT_EQ(expected.dtype(), actual.dtype());
  if (expected.dtype() != DType::f32) return expect_products_a_step_apart(expected, actual);
  double squares = 0;
  for (std::int64_t i = 0; i < expected.elements(); ++i)
    squares += std::pow(static_cast<double>(expected.data<float>()[i]), 2);
  const double size =
      std::sqrt(squares / static_cast<double>(std::max<std::int64_t>(1, expected.elements())));
  for (std::int64_t i = 0; i < expected.elements(); ++i) {
    const double e = expected.data<float>()[i];
    ASSERT_NEAR(e, actual.data<float>()[i], tolerance * (1 + std::max(size, std::abs(e)))) << "at " << i;
  }
}

}  // namespace edgeclip::engine
