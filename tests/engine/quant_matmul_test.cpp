// edgeclip.QuantMatMul: the reference against hand-made numbers, oneDNN against the reference.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "base/rng.h"
#include "engine/cpu/onednn.h"
#include "engine/cpu/quant_matmul.h"
#include "engine/ops/quant_matmul.h"
#include "support/support.h"

namespace edgeclip::engine {
namespace {

struct Case {
  Shape leading;  ///< of A, without K
  std::int64_t k, n;
  std::string activation;
  bool bias = true, residual = false;
  int top = 127;  ///< largest weight
  friend void PrintTo(const Case& c, std::ostream* out) {
    *out << shape_string(c.leading) << " K " << c.k << " N " << c.n << " " << c.activation
         << (c.bias ? " bias" : "") << (c.residual ? " residual" : "") << " top " << c.top;
  }
};

/// A node with its tensors, and what runs it.
struct Problem {
  Node node;
  std::vector<Tensor> tensors;
  Inputs inputs;
  Tensor out;
  CpuState state;
  std::unique_ptr<PreparedNode> prepared;
  Scratch scratch;
  std::vector<std::byte> scratch_memory;

  Problem(const Case& c, std::uint64_t seed) {
    Rng rng(seed);
    node.name = "product";
    node.op = "QuantMatMul";
    node.domain = "edgeclip";
    node.opset = 1;
    node.attributes = {{"a_scale", 0.02f}, {"a_zero_point", std::int64_t{117}}, {"activation", c.activation}};
    Shape a_shape = c.leading, y_shape = c.leading;
    a_shape.push_back(c.k);
    y_shape.push_back(c.n);
    Tensor a(DType::u8, a_shape), w(DType::i8, {c.k, c.n}), scale(DType::f32, {c.n}), bias(DType::f32, {c.n});
    Tensor residual(DType::f32, y_shape);
    out = Tensor(DType::f32, y_shape);
    for (std::int64_t i = 0; i < a.elements(); ++i)
      a.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(rng.range(0, 255));
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
    tensors = {a, w, scale, bias, residual};
    node.inputs = {0, 1, 2, c.bias ? 3 : kNoValue, c.residual ? 4 : kNoValue};
    for (const Tensor& t : tensors) inputs.push_back(t.view());
  }

  Outputs outputs() { return {{DType::f32, out.shape(), out.raw()}}; }

  /// As the session asks for it: data of constants only.
  std::unique_ptr<Kernel> fast(std::optional<QuantMatMulPath> path = {}) {
    Inputs known = inputs;
    known[0].data = known[4].data = nullptr;
    Outputs unknown = outputs();
    unknown[0].data = nullptr;
    const PrepareRequest request{node, known, state};
    prepared = path ? prepare_quant_matmul(request, *path) : prepare_quant_matmul(request);
    if (!prepared) return nullptr;
    auto kernel = prepared->bind({known, unknown, prepared->layouts(known, unknown, {}), scratch});
    if (kernel->implementation() == "reference") return nullptr;
    scratch_memory.resize(scratch.needed() + 64);
    const auto address = reinterpret_cast<std::uintptr_t>(scratch_memory.data());
    scratch.place(scratch_memory.data() + (64 - address % 64) % 64);
    return kernel;
  }

  Tensor run(Kernel& kernel) {
    out = Tensor(DType::f32, out.shape());
    kernel.run(inputs, outputs());
    return out;
  }
  Tensor reference() { return run(*make_reference_kernel(node)); }
};

/// Within tolerance of the size of what is added up, which what is left of it after cancellation does not
/// tell: the root mean square of the tensor stands for it.
void expect_near(const Tensor& expected, const Tensor& actual, double tolerance) {
  ASSERT_EQ(expected.shape(), actual.shape());
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

TEST(QuantMatMulReference, ComputesTheDefinition) {
  Problem p({{1}, 2, 2, "", true, true}, 1);
  p.node.attributes = {
      {"a_scale", 0.5f}, {"a_zero_point", std::int64_t{10}}, {"activation", std::string("relu")}};
  p.tensors[0].data<std::uint8_t>()[0] = 12;  // 2 after the zero point
  p.tensors[0].data<std::uint8_t>()[1] = 7;   // -3
  const std::int8_t w[] = {100, -100, 50, 127};
  std::copy(w, w + 4, p.tensors[1].data<std::int8_t>());
  const float scale[] = {0.1f, 0.2f}, bias[] = {1, -2}, residual[] = {0.25f, 0.5f};
  std::copy(scale, scale + 2, p.tensors[2].data<float>());
  std::copy(bias, bias + 2, p.tensors[3].data<float>());
  std::copy(residual, residual + 2, p.tensors[4].data<float>());
  const Tensor y = p.reference();
  // 2*100 - 3*50 = 50, * 0.05 + 1 = 3.5, + 0.25;   -200 - 381 = -581, * 0.1 - 2 < 0: relu gives 0, + 0.5
  EXPECT_FLOAT_EQ(y.data<float>()[0], 3.75f);
  EXPECT_FLOAT_EQ(y.data<float>()[1], 0.5f);
}

TEST(QuantMatMulReference, RefusesWhatDoesNotFit) {
  const auto infer = [](Problem& p) {
    ShapeContext context{p.node, p.inputs, {}, {}};
    find_operator("edgeclip", "QuantMatMul", 1)->infer(context);
    return context.output_shapes.at(0);
  };
  const Case c{{2, 3}, 4, 5, "", true, true};
  Problem good(c, 1);
  EXPECT_EQ(infer(good), (Shape{2, 3, 5}));

  Problem wrong_k(c, 1);
  wrong_k.inputs[0].shape = {2, 3, 6};
  EXPECT_NE(test::invalid_input_of([&] { infer(wrong_k); }).find("does not fit"), std::string::npos);
  Problem wrong_type(c, 1);
  wrong_type.inputs[1].dtype = DType::u8;
  EXPECT_NE(test::invalid_input_of([&] { infer(wrong_type); }).find("not int8"), std::string::npos);
  Problem wrong_scale(c, 1);
  wrong_scale.inputs[2].shape = {4};
  EXPECT_NE(test::invalid_input_of([&] { infer(wrong_scale); }).find("w_scale"), std::string::npos);
  Problem wrong_residual(c, 1);
  wrong_residual.inputs[4].shape = {7, 5};
  test::invalid_input_of([&] { infer(wrong_residual); });
  Problem wrong_activation(c, 1);
  wrong_activation.node.attributes["activation"] = std::string("tanh");
  EXPECT_NE(test::invalid_input_of([&] { infer(wrong_activation); }).find("tanh"), std::string::npos);
  Problem wrong_point(c, 1);
  wrong_point.node.attributes["a_zero_point"] = std::int64_t{256};
  test::invalid_input_of([&] { infer(wrong_point); });
}

TEST(QuantMatMulReference, BroadcastsTheResidual) {
  Problem p({{2, 3}, 4, 5, "", false, false}, 3);
  const Tensor plain = p.reference();
  p.node.inputs[4] = 4;
  p.inputs[4].shape = {1, 5};  // the first row of it
  const Tensor y = p.reference();
  for (std::int64_t i = 0; i < y.elements(); ++i)
    EXPECT_FLOAT_EQ(y.data<float>()[i], plain.data<float>()[i] + p.tensors[4].data<float>()[i % 5]);
}

class QuantMatMulKernels : public testing::TestWithParam<Case> {};

TEST_P(QuantMatMulKernels, AgreeWithTheReference) {
  Problem p(GetParam(), 7);
  const Tensor expected = p.reference();
  const auto dispatched = p.fast();
  ASSERT_TRUE(dispatched);
  SCOPED_TRACE(dispatched->implementation());
  // Sums are exact integers up to 2^24 in either; what differs is the rounding of scale, bias and activation.
  expect_near(expected, p.run(*dispatched), 2e-6);
  expect_near(expected, p.run(*dispatched), 2e-6);  // again: nothing of the first run is left over

  const auto widened = p.fast(QuantMatMulPath::widened);
  ASSERT_TRUE(widened);
  // Partial sums in float32: relative to the largest, not to what is left after cancellation.
  expect_near(expected, p.run(*widened), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, QuantMatMulKernels,
    testing::Values(Case{{1}, 1, 1, ""}, Case{{1}, 7, 3, "", false}, Case{{3}, 5, 17, "gelu"},
                    Case{{2, 3}, 31, 33, "quick_gelu"}, Case{{1, 50}, 64, 64, "", true, true},
                    Case{{3, 20}, 63, 129, "gelu", true, true}, Case{{8, 25}, 192, 768, "quick_gelu"},
                    Case{{8, 25}, 768, 192, "", true, true}, Case{{2, 2, 2}, 100, 10, "relu", false, true},
                    Case{{1}, 1024, 16, "", false, false}, Case{{5}, 96, 40, "quick_gelu", true, true, 64},
                    Case{{}, 12, 9, "gelu"}));

TEST(QuantMatMulDispatch, WidensOnlyWhereProductsSaturate) {
  Problem eight({{2}, 64, 8, "", true, false, 127}, 1), seven({{2}, 64, 8, "", true, false, 64}, 1);
  EXPECT_EQ(quant_matmul_path(eight.inputs[kQuantW], false), QuantMatMulPath::int8);
  EXPECT_EQ(quant_matmul_path(eight.inputs[kQuantW], true), QuantMatMulPath::widened);
  EXPECT_EQ(quant_matmul_path(seven.inputs[kQuantW], true), QuantMatMulPath::int8);
  // -128 is not 7 bits either.
  seven.tensors[1].data<std::int8_t>()[5] = -128;
  EXPECT_EQ(quant_matmul_path(seven.inputs[kQuantW], true), QuantMatMulPath::widened);
}

#if defined(__x86_64__)
TEST(QuantMatMulDispatch, SaturationFollowsTheCpu) {
  if (const char* limit = std::getenv("ONEDNN_MAX_CPU_ISA")) {
    const std::string level = limit;
    if (level == "SSE41" || level == "AVX" || level == "AVX2" || level == "AVX512_CORE") {
      EXPECT_TRUE(int8_products_saturate());
    }
    return;
  }
  if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl")) {
    EXPECT_FALSE(int8_products_saturate());
  } else if (!__builtin_cpu_supports("avx2")) {
    EXPECT_TRUE(int8_products_saturate());
  }
}
#endif

TEST(QuantMatMulDispatch, LeavesTheRestToTheReference) {
  const Case c{{2, 3}, 8, 4, "", true, true};
  Problem zero_scale(c, 1);
  zero_scale.tensors[2].data<float>()[1] = 0;
  EXPECT_FALSE(zero_scale.fast());
  Problem broadcast_residual(c, 1);
  broadcast_residual.inputs[4].shape = {1, 4};
  EXPECT_FALSE(broadcast_residual.fast());
  Problem dynamic_weights(c, 1);
  dynamic_weights.inputs[1].data = nullptr;
  EXPECT_FALSE(dynamic_weights.fast());
}

TEST(QuantMatMulDispatch, PacksWeightsOnceForAllShapes) {
  Problem p({{4}, 64, 48, ""}, 1);
  ASSERT_TRUE(p.fast());
  const std::size_t once = p.state.weights.bytes();
  ASSERT_TRUE(p.fast());
  EXPECT_EQ(p.state.weights.bytes(), once);
}

TEST(FastQuantizeLinear, EqualsTheReferenceBitForBit) {
  Node node;
  node.name = "q";
  node.op = "QuantizeLinear";
  node.inputs = {0, 1, 2};
  for (const std::int64_t n : {1, 3, 1000, 40000}) {
    for (const int zero_point : {0, 1, 128, 255}) {
      const float scale = 0.037f;
      Rng rng(static_cast<std::uint64_t>(n + zero_point));
      Tensor x(DType::f32, {n}), s = Tensor::from<float>({}, {scale});
      const Tensor z = Tensor::from<std::uint8_t>({}, {static_cast<std::uint8_t>(zero_point)});
      for (std::int64_t i = 0; i < n; ++i) {
        // Ties, values far outside, infinities, and anything.
        const double v = i % 4 == 0   ? rng.range(-300, 300) + 0.5
                         : i % 4 == 1 ? rng.range(-300, 300)
                                      : rng.normal() * 100;
        x.data<float>()[i] = static_cast<float>(v * scale);
      }
      if (n > 3) {
        x.data<float>()[1] = INFINITY;
        x.data<float>()[2] = -INFINITY;
        x.data<float>()[3] = 3e38f;
      }
      Tensor expected(DType::u8, {n}), actual(DType::u8, {n});
      Inputs inputs = {x.view(), s.view(), z.view()};
      make_reference_kernel(node)->run(inputs, {{DType::u8, {n}, expected.raw()}});
      CpuState state;
      Scratch scratch;
      const Outputs outputs = {{DType::u8, {n}, actual.raw()}};
      const auto prepared = prepare_quantize_linear({node, inputs, state});
      ASSERT_TRUE(prepared);
      const auto kernel = prepared->bind({inputs, outputs, prepared->layouts(inputs, outputs, {}), scratch});
      EXPECT_EQ(kernel->implementation(), "simd:quantize_linear");
      kernel->run(inputs, outputs);
      for (std::int64_t i = 0; i < n; ++i)
        ASSERT_EQ(expected.data<std::uint8_t>()[i], actual.data<std::uint8_t>()[i])
            << x.data<float>()[i] / scale << " zero point " << zero_point;
    }
  }
}

}  // namespace
}  // namespace edgeclip::engine
