// edgeclip.QuantMatMul: the reference against hand-made numbers, fast ones against the reference.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <tuple>

#include "base/rng.h"
#include "engine/cpu/int8_products.h"
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
  DType type = DType::u8;
  bool rows = false;     ///< a scale for each row
  std::string out = "";  ///< out_type
  bool zero_points = false;  ///< one for each row
  friend void PrintTo(const Case& c, std::ostream* out) {
    *out << shape_string(c.leading) << " K " << c.k << " N " << c.n << " " << c.activation
         << (c.bias ? " bias" : "") << (c.residual ? " residual" : "") << " top " << c.top << " "
         << dtype_name(c.type) << (c.rows ? " rows" : "") << (c.zero_points ? " zero points " : " ") << c.out;
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
    node.inputs = {0, 1, 2, c.bias ? 3 : kNoValue, c.residual ? 4 : kNoValue, c.rows ? 5 : kNoValue, c.zero_points ? 6 : kNoValue};
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
void expect_steps(const Tensor& expected, const Tensor& actual) {
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
void expect_near(const Tensor& expected, const Tensor& actual, double tolerance) {
  ASSERT_EQ(expected.shape(), actual.shape());
  ASSERT_EQ(expected.dtype(), actual.dtype());
  if (expected.dtype() != DType::f32) return expect_steps(expected, actual);
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

TEST(QuantMatMulReference, ScalesRowsAndQuantizesTheResult) {
  Problem p({{2}, 2, 2, "", false, false, 127, DType::i8, true, "int8"}, 1);
  p.node.attributes = {{"a_scale", 1.0f}, {"out_type", std::string("int8")}, {"out_scale", 0.5f},
                       {"out_zero_point", std::int64_t{10}}};
  const std::int8_t a[] = {-128, 1, 2, 3}, w[] = {1, 2, 3, 4};
  std::copy(a, a + 4, p.tensors[0].data<std::int8_t>());
  std::copy(w, w + 4, p.tensors[1].data<std::int8_t>());
  const float scale[] = {1, 0.25f}, rows[] = {0.5f, 0.125f};
  std::copy(scale, scale + 2, p.tensors[2].data<float>());
  std::copy(rows, rows + 2, p.tensors[5].data<float>());
  const Tensor y = p.reference();
  // sums -125, -252; 11, 16; scaled -62.5, -31.5; 1.375, 0.5; halves of them -125 and -63; 2.75 and 1
  EXPECT_EQ(y.data<std::int8_t>()[0], -115);
  EXPECT_EQ(y.data<std::int8_t>()[1], -53);
  EXPECT_EQ(y.data<std::int8_t>()[2], 13);
  EXPECT_EQ(y.data<std::int8_t>()[3], 11);
  p.node.attributes["out_zero_point"] = std::int64_t{-10};
  EXPECT_EQ(p.reference().data<std::int8_t>()[0], -128);  // saturated
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

  const auto refused = [&](const Case& one, const std::string& name, const Attribute& value) {
    Problem p(one, 1);
    p.node.attributes[name] = value;
    return test::invalid_input_of([&] { infer(p); });
  };
  Case signed_a = c, rows = c, out = c;
  signed_a.type = rows.type = DType::i8;
  rows.rows = true;
  out.out = "uint8";
  EXPECT_NE(refused(signed_a, "a_zero_point", std::int64_t{128}).find("-128..127"), std::string::npos);
  EXPECT_NE(refused(rows, "a_scale", 0.5f).find("row_scale"), std::string::npos);
  EXPECT_NE(refused(rows, "a_zero_point", std::int64_t{1}).find("row_scale"), std::string::npos);
  EXPECT_NE(refused(out, "out_type", std::string("int4")).find("int4"), std::string::npos);
  EXPECT_NE(refused(out, "out_scale", 0.0f).find("out_scale"), std::string::npos);
  EXPECT_NE(refused(out, "out_zero_point", std::int64_t{-1}).find("out_zero_point"), std::string::npos);
  Problem wrong_rows(rows, 1);
  EXPECT_EQ(infer(wrong_rows), (Shape{2, 3, 5}));
  wrong_rows.inputs[kQuantRowScale].shape = {2, 3};
  EXPECT_NE(test::invalid_input_of([&] { infer(wrong_rows); }).find("row_scale"), std::string::npos);

  Case zeros = c;
  zeros.rows = zeros.zero_points = true;
  Problem zero_points(zeros, 1);
  EXPECT_EQ(infer(zero_points), (Shape{2, 3, 5}));
  zero_points.inputs[kQuantRowZeroPoint].dtype = DType::u8;
  EXPECT_NE(test::invalid_input_of([&] { infer(zero_points); }).find("not int32"), std::string::npos);
  zeros.type = DType::i8;
  Problem of_signed(zeros, 1);
  EXPECT_NE(test::invalid_input_of([&] { infer(of_signed); }).find("uint8 alone"), std::string::npos);
}

TEST(QuantMatMulReference, TakesOffEachRowsZeroPoint) {
  Problem p({{2}, 2, 1, "", false, false, 127, DType::u8, true, "", true}, 1);
  const std::uint8_t a[] = {12, 7, 0, 255};
  const std::int8_t w[] = {3, -2};
  std::copy(a, a + 4, p.tensors[0].data<std::uint8_t>());
  std::copy(w, w + 2, p.tensors[1].data<std::int8_t>());
  *p.tensors[2].data<float>() = 1;
  const float rows[] = {1, 0.5F};
  const std::int32_t zeros[] = {10, 200};
  std::copy(rows, rows + 2, p.tensors[kQuantRowScale].data<float>());
  std::copy(zeros, zeros + 2, p.tensors[kQuantRowZeroPoint].data<std::int32_t>());
  const Tensor y = p.reference();
  EXPECT_EQ(y.data<float>()[0], 2 * 3 + 3 * 2);
  EXPECT_EQ(y.data<float>()[1], 0.5F * (-200 * 3 - 55 * 2));
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

/// Where products of our own need weights of 7 bits: those that are such already.
Case exact_here(Case c) {
  if (kernels::needs_seven_bits(kernels::cpu_level())) c.top = std::min(c.top, 64);
  return c;
}

TEST_P(QuantMatMulKernels, AgreeWithTheReference) {
  Problem p(exact_here(GetParam()), 7);
  const Tensor expected = p.reference();
  const auto dispatched = p.fast();
  ASSERT_TRUE(dispatched);
  SCOPED_TRACE(dispatched->implementation());
  EXPECT_EQ(dispatched->implementation().find("ref"), std::string::npos);
  // Sums are exact integers up to 2^24 in either; what differs is the rounding of scale, bias and activation.
  expect_near(expected, p.run(*dispatched), 2e-6);
  expect_near(expected, p.run(*dispatched), 2e-6);  // again: nothing of the first run is left over

  if (GetParam().zero_points) {  // of operators of our own alone, which are never widened
    EXPECT_FALSE(p.fast(QuantProducts::widened));
    return;
  }
  // Partial sums in float32: relative to the largest, not to what is left after cancellation.
  const auto widened = p.fast(QuantProducts::widened);
  ASSERT_TRUE(widened);
  expect_near(expected, p.run(*widened), 1e-5);
}

/// Weights of 8 bits where products need 7 are rounded: by a step of 1 in 127 of some columns' weights.
TEST_P(QuantMatMulKernels, LoseALittleWhereWeightsAreRounded) {
  if (!kernels::needs_seven_bits(kernels::cpu_level()) || !GetParam().out.empty()) return;
  Problem p(GetParam(), 7);
  const Tensor expected = p.reference();
  expect_near(expected, p.run(*p.fast()), 0.1);
}

/// Operators whose results the standard fixes do not: their products are widened there.
TEST_P(QuantMatMulKernels, AreExactWhereAsked) {
  if (GetParam().zero_points) return;
  Problem p(GetParam(), 7);
  const auto exact = p.fast(QuantProducts::exact);
  ASSERT_TRUE(exact);
  expect_near(p.reference(), p.run(*exact), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, QuantMatMulKernels,
    testing::Values(Case{{1}, 1, 1, ""}, Case{{1}, 7, 3, "", false}, Case{{3}, 5, 17, "gelu"},
                    Case{{2, 3}, 31, 33, "quick_gelu"}, Case{{1, 50}, 64, 64, "", true, true},
                    Case{{3, 20}, 63, 129, "gelu", true, true}, Case{{8, 25}, 192, 768, "quick_gelu"},
                    Case{{8, 25}, 768, 192, "", true, true}, Case{{2, 2, 2}, 100, 10, "relu", false, true},
                    Case{{1}, 1024, 16, "", false, false}, Case{{5}, 96, 40, "quick_gelu", true, true, 64},
                    Case{{}, 12, 9, "gelu"}));

std::vector<Case> all_types() {
  std::vector<Case> cases;
  int number = 0;
  for (const auto& [leading, k, n] : {std::tuple<Shape, std::int64_t, std::int64_t>{{2, 25}, 96, 80},
                                      {{1}, 33, 7},
                                      {{3}, 64, 1},
                                      {{7, 11}, 256, 64},
                                      {{}, 40, 24}})
    for (const DType type : {DType::u8, DType::i8})
      for (const bool rows : {false, true})
        for (const char* out : {"", "uint8", "int8"})
          for (const char* activation : {"", "gelu"}) {
            cases.push_back({leading, k, n, number % 5 == 1 ? "relu" : activation, number % 3 != 1,
                             number % 4 < 2, 127, type, rows, out, rows && type == DType::u8 && number % 3 != 0});
            ++number;
          }
  return cases;
}
INSTANTIATE_TEST_SUITE_P(Types, QuantMatMulKernels, testing::ValuesIn(all_types()));

/// A token's result is the same alone and among others.
TEST(QuantMatMulRows, DoNotDependOnTheBatch) {
  for (const char* activation : {"", "gelu"}) {
    for (const char* out : {"", "int8"}) {
      const Case c{{60}, 96, 80, activation, true, true, 127, DType::i8, true, out};
      Problem all(c, 3);
      const auto together = all.fast();
      ASSERT_TRUE(together);
      const Tensor y = all.run(*together);
      const std::size_t row = y.bytes() / 60;
      for (const std::int64_t r : {0, 17, 59}) {
        Case alone = c;
        alone.leading = {1};
        Problem one(alone, 3);
        for (const std::size_t i : {0, 4, 5}) {
          const std::size_t bytes = one.tensors[i].bytes();
          std::memcpy(one.tensors[i].raw(), all.tensors[i].raw() + static_cast<std::size_t>(r) * bytes, bytes);
        }
        for (const std::size_t i : {1, 2, 3})
          std::memcpy(one.tensors[i].raw(), all.tensors[i].raw(), one.tensors[i].bytes());
        const auto kernel = one.fast();
        ASSERT_TRUE(kernel);
        const Tensor mine = one.run(*kernel);
        EXPECT_EQ(std::memcmp(mine.raw(), y.raw() + static_cast<std::size_t>(r) * row, row), 0)
            << activation << " " << out << " row " << r << ": " << kernel->implementation();
      }
    }
  }
}

TEST(QuantMatMulDispatch, WidensOnlyWhereProductsSaturate) {
  Problem eight({{2}, 64, 8, "", true, false, 127}, 1), seven({{2}, 64, 8, "", true, false, 64}, 1);
  EXPECT_EQ(int8_path(eight.inputs[kQuantW], 64, false), Int8Path::exact);
  EXPECT_EQ(int8_path(eight.inputs[kQuantW], 64, true), Int8Path::widened);
  EXPECT_EQ(int8_path(seven.inputs[kQuantW], 64, true), Int8Path::shifted);
  // -128 is not 7 bits either.
  seven.tensors[1].data<std::int8_t>()[5] = -128;
  EXPECT_EQ(int8_path(seven.inputs[kQuantW], 64, true), Int8Path::widened);
  // 32 bits hold this many products of 255 * 128 and no more.
  EXPECT_EQ(int8_path(eight.inputs[kQuantW], 65793, false), Int8Path::exact);
  EXPECT_EQ(int8_path(eight.inputs[kQuantW], 65794, false), Int8Path::widened);
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
  const std::size_t once = p.state.gemm_weights.bytes();
  EXPECT_GE(once, 64u * 48u);
  ASSERT_TRUE(p.fast());
  EXPECT_EQ(p.state.gemm_weights.bytes(), once);
}

}  // namespace
}  // namespace edgeclip::engine
