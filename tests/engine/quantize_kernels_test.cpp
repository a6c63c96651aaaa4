// QuantizeLinear, DequantizeLinear and edgeclip.QuantizeRows of the CPU backend: the reference's bits.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "base/rng.h"
#include "engine/cpu/cpu_node.h"
#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();

/// Ties, values far outside, infinities, and anything, in units of `scale`.
Tensor values_to_quantize(std::int64_t n, float scale) {
  Rng rng(static_cast<std::uint64_t>(n));
  Tensor x(DType::f32, {n});
  for (std::int64_t i = 0; i < n; ++i) {
    const double v = i % 4 == 0   ? rng.range(-300, 300) + 0.5
                     : i % 4 == 1 ? rng.range(-300, 300)
                                  : rng.normal() * 100;
    x.data<float>()[i] = static_cast<float>(v) * scale;
  }
  const float extremes[] = {kInf, -kInf, 3e38f, kNaN};
  if (n > 4) std::copy(extremes, extremes + 4, x.data<float>() + 1);
  return x;
}

/// What the prepared node's kernel and the reference make of constant inputs behind the first.
struct Both {
  std::vector<Tensor> fast, reference;
  std::string kernel;
};
Both run_both(const Node& node, const std::vector<Tensor>& inputs, Prepare prepare) {
  Both both;
  Inputs views, known;
  for (const Tensor& input : inputs) views.push_back(input.view());
  known = views;
  known[0].data = nullptr;
  both.reference = evaluate_node(node, views);
  Outputs outputs;
  for (const Tensor& y : both.reference) {
    both.fast.emplace_back(y.dtype(), y.shape());
    outputs.push_back({y.dtype(), y.shape(), both.fast.back().raw()});
  }
  CpuState state;
  Scratch scratch;
  const auto prepared = prepare({node, known, state});
  if (!prepared) return both;
  const Layouts layouts =
      prepared->layouts(known, outputs, std::vector<Layout>(inputs.size(), Layout::plain));
  const auto kernel = prepared->bind({known, outputs, layouts, scratch});
  both.kernel = kernel->implementation();
  kernel->run(views, outputs);
  return both;
}

void expect_same_bits(const Both& both, const std::string& kernel) {
  EXPECT_EQ(both.kernel, kernel);
  for (std::size_t i = 0; i < both.fast.size(); ++i) {
    const Tensor &a = both.fast[i], &b = both.reference[i];
    for (std::int64_t e = 0; e < a.elements(); ++e) {
      const std::size_t size = dtype_size(a.dtype());
      ASSERT_EQ(std::memcmp(a.raw() + static_cast<std::size_t>(e) * size,
                            b.raw() + static_cast<std::size_t>(e) * size, size),
                0)
          << "output " << i << " at " << e;
    }
  }
}

Tensor byte_of(DType type, int value) {
  return type == DType::u8 ? Tensor::from<std::uint8_t>({}, {static_cast<std::uint8_t>(value)})
                           : Tensor::from<std::int8_t>({}, {static_cast<std::int8_t>(value)});
}

TEST(QuantizeLinearKernel, EqualsTheReference) {
  const float scale = 0.037f;
  for (const std::int64_t n : {1, 3, 1000, 40000})
    for (const auto& [type, zero] : {std::pair{DType::u8, 0},
                                     {DType::u8, 1},
                                     {DType::u8, 128},
                                     {DType::u8, 255},
                                     {DType::i8, 0},
                                     {DType::i8, -128},
                                     {DType::i8, 127},
                                     {DType::i8, 3}}) {
      SCOPED_TRACE(std::string(dtype_name(type)) + " zero point " + std::to_string(zero));
      const std::vector<Tensor> inputs = {values_to_quantize(n, scale), test::floats({}, {scale}),
                                          byte_of(type, zero)};
      expect_same_bits(run_both(test::node_of("QuantizeLinear", inputs, {}, 17, 1), inputs, prepare_scaled),
                       "simd:quantize_linear");
    }
}

TEST(QuantizeLinearKernel, TakesAZeroPointLeftOut) {
  const std::vector<Tensor> inputs = {values_to_quantize(50, 0.1f), test::floats({}, {0.1f})};
  expect_same_bits(run_both(test::node_of("QuantizeLinear", inputs, {}, 17, 1), inputs, prepare_scaled),
                   "simd:quantize_linear");
}

TEST(DequantizeLinearKernel, EqualsTheReference) {
  Rng rng(5);
  for (const std::int64_t n : {1, 7, 40000})
    for (const DType type : {DType::u8, DType::i8}) {
      Tensor x(type, {n});
      for (std::int64_t i = 0; i < n; ++i) x.raw()[i] = static_cast<std::byte>(rng.below(256));
      for (const int zero : {0, 5, 127}) {
        const std::vector<Tensor> inputs = {x, test::floats({1}, {0.037f}), byte_of(type, zero)};
        const Node node = test::node_of("DequantizeLinear", inputs, {}, 17, 1);
        expect_same_bits(run_both(node, inputs, prepare_scaled), "simd:dequantize_linear");
      }
    }
}

TEST(DequantizeLinearKernel, LeavesTheRestToTheReference) {
  const Tensor x = byte_of(DType::i8, 3), per_axis = Tensor::from<std::int8_t>({2}, {3, 4});
  const std::vector<Tensor> channels = {per_axis, test::floats({2}, {1, 2})};
  Node node = test::node_of("DequantizeLinear", channels, {{"axis", std::int64_t{0}}}, 17, 1);
  EXPECT_EQ(run_both(node, channels, prepare_scaled).kernel, "");
  const std::vector<Tensor> wide = {Tensor::from<std::int32_t>({2}, {3, 4}), test::floats({}, {2})};
  node = test::node_of("DequantizeLinear", wide, {}, 17, 1);
  EXPECT_EQ(run_both(node, wide, prepare_scaled).kernel, "reference");
  const std::vector<Tensor> zero_scale = {x, test::floats({}, {0})};
  node = test::node_of("DequantizeLinear", zero_scale, {}, 17, 1);
  EXPECT_EQ(run_both(node, zero_scale, prepare_scaled).kernel, "");
}

Node rows_node(const std::vector<Tensor>& inputs) {
  Node node = test::node_of("QuantizeRows", inputs, {}, 1, 2);
  node.domain = "edgeclip";
  return node;
}

TEST(QuantizeRowsReference, ScalesEachRowByItsLargest) {
  const std::vector<Tensor> inputs = {test::floats({2, 1, 3}, {-254, 127, 3, 0, 0, 0})};
  const auto y = evaluate_node(rows_node(inputs), {inputs[0].view()});
  EXPECT_EQ(y[0].shape(), (Shape{2, 1, 3}));
  EXPECT_EQ(y[1].shape(), (Shape{2, 1, 1}));
  // 63.5 and 1.5 round to even.
  EXPECT_EQ(test::elements_of<std::int8_t>(y[0]), (std::vector<std::int8_t>{-127, 64, 2, 0, 0, 0}));
  EXPECT_EQ(test::elements_of<float>(y[1]), (std::vector<float>{2, 1}));
}

TEST(QuantizeRowsReference, ShowsWhatIsNoNumber) {
  const std::vector<Tensor> inputs = {test::floats({3, 2}, {1, kNaN, kInf, 5, -kInf, kNaN})};
  const auto y = evaluate_node(rows_node(inputs), {inputs[0].view()});
  EXPECT_EQ(test::elements_of<std::int8_t>(y[0]), (std::vector<std::int8_t>(6, 0)));
  EXPECT_TRUE(std::isnan(y[1].data<float>()[0]));
  EXPECT_EQ(y[1].data<float>()[1], kInf);
  EXPECT_TRUE(std::isnan(y[1].data<float>()[2]));
}

TEST(QuantizeRowsReference, GivesEachRowAZeroPoint) {
  const std::vector<Tensor> inputs = {test::floats({2, 1, 3}, {-1, 4, 2, 0, 0, 0})};
  Node node = test::node_of("AffineQuantizeRows", inputs, {}, 1, 3);
  node.domain = "edgeclip";
  const auto y = evaluate_node(node, {inputs[0].view()});
  EXPECT_EQ(y[1].shape(), (Shape{2, 1, 1}));
  EXPECT_EQ(y[2].shape(), (Shape{2, 1, 1}));
  EXPECT_EQ(test::elements_of<std::uint8_t>(y[0]), (std::vector<std::uint8_t>{0, 255, 153, 0, 0, 0}));
  EXPECT_EQ(test::elements_of<std::int32_t>(y[2]), (std::vector<std::int32_t>{51, 0}));
  EXPECT_FLOAT_EQ(y[1].data<float>()[0], 5.0F / 255);
  EXPECT_EQ(y[1].data<float>()[1], 1);
}

TEST(QuantizeRowsReference, RefusesWhatDoesNotFit) {
  EXPECT_NE(test::invalid_input_of([&] {
              const std::vector<Tensor> inputs = {test::longs({2}, {1, 2})};
              evaluate_node(rows_node(inputs), {inputs[0].view()});
            }).find("not float32"),
            std::string::npos);
  EXPECT_NE(test::invalid_input_of([&] {
              const std::vector<Tensor> inputs = {test::floats({}, {1})};
              evaluate_node(rows_node(inputs), {inputs[0].view()});
            }).find("no dimension"),
            std::string::npos);
}

TEST(QuantizeRowsKernel, EqualsTheReference) {
  Rng rng(9);
  for (const Shape& shape : {Shape{1}, Shape{7}, Shape{3, 5, 33}, Shape{64, 768}, Shape{2, 40000}}) {
    SCOPED_TRACE(shape_string(shape));
    Tensor x(DType::f32, shape);
    for (std::int64_t i = 0; i < x.elements(); ++i)
      // Rows of many magnitudes, down to those whose scale is no normal number.
      x.data<float>()[i] =
          static_cast<float>(rng.normal() * std::pow(10.0, static_cast<double>(i / shape.back() % 50) - 44));
    if (x.elements() > 1000) {
      x.data<float>()[0] = kNaN;
      x.data<float>()[x.elements() - 3] = -kInf;
    }
    expect_same_bits(run_both(rows_node({x}), {x}, prepare_quantize_rows), "simd:quantize_rows");
    Node affine = test::node_of("AffineQuantizeRows", {x}, {}, 1, 3);
    affine.domain = "edgeclip";
    expect_same_bits(run_both(affine, {x}, prepare_quantize_rows), "simd:affine_quantize_rows");
  }
}

TEST(LayerNormQuantizeRows, IsOneAfterTheOther) {
  Rng rng(4);
  for (const std::int64_t width : {1, 33, 768}) {
    Tensor x(DType::f32, {2, 5, width}), scale(DType::f32, {width});
    for (std::int64_t i = 0; i < x.elements(); ++i) x.data<float>()[i] = static_cast<float>(rng.normal() * 3 + 1);
    for (std::int64_t i = 0; i < width; ++i) scale.data<float>()[i] = static_cast<float>(rng.normal());
    const std::vector<Tensor> inputs = {x, scale, scale};
    const auto norm = run_both(test::node_of("LayerNormalization", inputs, {}, 17, 1), inputs, prepare_layer_norm);
    EXPECT_EQ(norm.kernel, "simd:layer_norm");
    const auto rows = run_both(rows_node(norm.fast), norm.fast, prepare_quantize_rows);
    for (const int outputs : {2, 3}) {
      Node node = test::node_of("LayerNormQuantizeRows", inputs, {}, 1, outputs);
      node.domain = "edgeclip";
      const auto both = run_both(node, inputs, prepare_layer_norm_quantize);
      EXPECT_EQ(both.kernel, "simd:layer_norm_quantize");
      EXPECT_EQ(test::elements_of<std::int8_t>(both.fast[0]), test::elements_of<std::int8_t>(rows.fast[0]));
      EXPECT_EQ(test::elements_of<float>(both.fast[1]), test::elements_of<float>(rows.fast[1]));
      if (outputs == 3) {
        EXPECT_EQ(test::elements_of<float>(both.fast[2]), test::elements_of<float>(norm.fast[0]));
      }
      // The reference's sums are float64: a rounding of the floats may move a value by one step.
      for (std::int64_t i = 0; i < x.elements(); ++i)
        EXPECT_NEAR(both.fast[0].data<std::int8_t>()[i], both.reference[0].data<std::int8_t>()[i], 1);
    }
  }
}

TEST(LayerNormQuantizeRows, RefusesWhatDoesNotFit) {
  const auto refusal = [](const std::vector<Tensor>& inputs) {
    Node node = test::node_of("LayerNormQuantizeRows", inputs, {}, 1, 2);
    node.domain = "edgeclip";
    Inputs views;
    for (const Tensor& input : inputs) views.push_back(input.view());
    return test::invalid_input_of([&] { evaluate_node(node, views); });
  };
  const Tensor x = test::floats({2, 2}, {1, 2, 3, 4});
  EXPECT_NE(refusal({x, test::floats({3}, {1, 2, 3})}).find("for rows of 2"), std::string::npos);
  EXPECT_NE(refusal({x, test::longs({2}, {1, 2})}).find("not float32"), std::string::npos);
  EXPECT_NE(refusal({test::floats({}, {1}), x}).find("no dimension"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip::engine
