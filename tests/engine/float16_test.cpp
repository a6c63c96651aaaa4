// float16 and bfloat16 in the operators: each computes as in float32 and rounds its results once.
#include "base/float16.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <set>

#include "engine/node_support.h"
#include "engine/sample_nodes.h"

namespace edgeclip::engine {
namespace {

using namespace test;

Tensor of_type(DType dtype, const Tensor& wide) {
  Tensor result(dtype, wide.shape());
  narrow(wide.data<float>(), dtype, result.raw(), wide.elements());
  return result;
}

Tensor halves(const Shape& shape, const std::vector<float>& values) {
  return of_type(DType::f16, floats(shape, values));
}
Tensor brains(const Shape& shape, const std::vector<float>& values) {
  return of_type(DType::bf16, floats(shape, values));
}

std::vector<float> values_of(const Tensor& tensor) { return elements_of<float>(widened(tensor.view())); }

TEST(SampleNodes, EveryOperatorHasOneThatWorks) {
  std::set<std::string> sampled;
  for (const Sample& sample : samples()) {
    sampled.insert(sample.node.domain + "." + sample.node.op);
    bool works = false;
    for (const DType dtype : kAllTypes) works = works || takes(sample, dtype);
    EXPECT_TRUE(works) << sample.node.name;
  }
  for (const Operator& row : operators())
    EXPECT_TRUE(sampled.count(std::string(row.domain) + "." + row.name)) << row.name << ": add a sample";
}

/// What takes float32 takes 16-bit floats (but for integer quantization's own operators), and gives what
/// float32 gives, rounded.
TEST(Float16, EveryOperatorRoundsWhatFloat32Gives) {
  const std::set<std::string> float32_only = {"DynamicQuantizeLinear", "QuantizeRows", "AffineQuantizeRows",
                                             "LayerNormQuantizeRows"};
  for (const Sample& sample : samples()) {
    if (!takes(sample, DType::f32) || float32_only.count(sample.node.op)) continue;
    for (const DType dtype : {DType::f16, DType::bf16}) {
      const std::string what = sample.node.name + " " + dtype_name(dtype);
      ASSERT_TRUE(takes(sample, dtype)) << what;
      const std::vector<Tensor> inputs = sample.tensors(dtype, true);
      std::vector<Tensor> wide;
      for (const Tensor& input : inputs)
        wide.push_back(input.defined() && is_16_bit_float(input.dtype()) ? widened(input.view()) : input);
      const std::vector<Tensor> got = run_sample(sample, inputs), want = run_sample(sample, wide);
      for (std::size_t i = 0; i < got.size(); ++i) {
        const Tensor expected = is_16_bit_float(got[i].dtype()) && want[i].dtype() == DType::f32
                                    ? of_type(got[i].dtype(), want[i])
                                    : want[i];
        ASSERT_EQ(got[i].dtype(), expected.dtype()) << what;
        ASSERT_EQ(got[i].shape(), expected.shape()) << what;
        EXPECT_EQ(std::memcmp(got[i].raw(), expected.raw(), expected.bytes()), 0) << what;
      }
    }
  }
}

TEST(Float16, ASumIsRoundedOnce) {
  // 256 + 1 + 1: step by step in bfloat16, each 1 would be lost (its unit is 2 there)
  EXPECT_EQ(values_of(run_node("Sum", {brains({1}, {256}), brains({1}, {1}), brains({1}, {1})})[0]),
            (std::vector<float>{258}));
  EXPECT_EQ(values_of(run_node("Add", {brains({2}, {256, 256}), brains({2}, {1, 3})})[0]),
            (std::vector<float>{256, 260}));  // halves to even
  EXPECT_EQ(values_of(run_node("Add", {halves({1}, {65504}), halves({1}, {16})})[0])[0],
            std::numeric_limits<float>::infinity());
}

TEST(Float16, MovedBitsStay) {
  Tensor x(DType::f16, {2});  // a signalling NaN with a payload, and -0
  x.data<Half>()[0] = Half::of_bits(0x7c01);
  x.data<Half>()[1] = Half::of_bits(0x8000);
  const Tensor y = run_node("Transpose", {x})[0];
  EXPECT_EQ(y.data<Half>()[0].bits, 0x7c01);
  EXPECT_EQ(y.data<Half>()[1].bits, 0x8000);
}

TEST(Float16, CastRoundsEveryTypeOnce) {
  const auto cast = [](const Tensor& x, std::int64_t to) { return run_node("Cast", {x}, {{"to", to}})[0]; };
  const double above_the_middle = 1 + 0x1p-11 + 0x1p-40;
  EXPECT_EQ(cast(Tensor::from<double>({1}, {above_the_middle}), 10).data<Half>()[0].bits, 0x3c01);
  EXPECT_EQ(cast(Tensor::from<std::int32_t>({1}, {(1 << 30) + (1 << 22) + 1}), 16).data<BFloat16>()[0].bits,
            BFloat16(0x1.02p30F).bits);
  EXPECT_EQ(values_of(cast(brains({2}, {1.5F, -3}), 10)), (std::vector<float>{1.5F, -3}));
  EXPECT_EQ(elements_of<std::int64_t>(cast(halves({2}, {1.5F, -3}), 7)), (Ints{1, -3}));
  EXPECT_EQ(elements_of<bool>(cast(halves({2}, {0, 0x1p-24F}), 9)), (std::vector<bool>{false, true}));
  EXPECT_EQ(cast(Tensor::from<bool>({1}, {true}), 10).data<Half>()[0].bits, 0x3c00);
}

TEST(Float16, QuantizationHasScalesOfItsType) {
  const Tensor x = halves({3}, {1, -0.5F, 40}), scale = halves({}, {0.5F});
  const Tensor q = run_node("QuantizeLinear", {x, scale, Tensor::from<std::int8_t>({}, {1})})[0];
  EXPECT_EQ(elements_of<std::int8_t>(q), (std::vector<std::int8_t>{3, 0, 81}));
  EXPECT_EQ(values_of(run_node("DequantizeLinear", {q, scale})[0]), (std::vector<float>{1.5F, 0, 40.5F}));
  const Tensor wide = run_node("DequantizeLinear", {q, scale}, {{"output_dtype", std::int64_t{1}}})[0];
  EXPECT_EQ(elements_of<float>(wide), (std::vector<float>{1.5F, 0, 40.5F}));
  EXPECT_EQ(
      run_node("DequantizeLinear", {q, floats({}, {0.5F})}, {{"output_dtype", std::int64_t{16}}})[0].dtype(),
      DType::bf16);
  EXPECT_EQ(run_node("QuantizeLinear", {x, scale}, {{"precision", std::int64_t{10}}})[0].dtype(), DType::u8);
  unsupported_of([&] { run_node("QuantizeLinear", {x, scale}, {{"precision", std::int64_t{16}}}); });
  unsupported_of([&] { run_node("DequantizeLinear", {q, scale}, {{"output_dtype", std::int64_t{11}}}); });
  refusal_of([&] { run_node("QuantizeLinear", {x, Tensor::from<double>({}, {1})}); });
}

TEST(Float16, SomeInputsMayBeWider) {
  const Tensor x = halves({1, 2, 1}, {3, 5}), one = floats({2}, {1, 1}), zero = floats({2}, {0, 0});
  const Tensor y = run_node("BatchNormalization", {x, one, zero, one, one}, {{"epsilon", 0.0F}})[0];
  EXPECT_EQ(y.dtype(), DType::f16);
  EXPECT_EQ(values_of(y), (std::vector<float>{2, 4}));
  refusal_of([&] {
    const Tensor wide = Tensor::from<double>({2}, {1, 1});
    run_node("BatchNormalization", {x, wide, wide, wide, wide});
  });
  refusal_of([&] { run_node("Add", {x, floats({1}, {1})}); });
  // the statistics of LayerNormalization are float32
  const auto all = run_node("LayerNormalization", {halves({1, 2}, {1, 3}), halves({2}, {1, 1})}, {}, 17, 3);
  EXPECT_EQ(all[0].dtype(), DType::f16);
  EXPECT_EQ(elements_of<float>(all[1]), (std::vector<float>{2}));
}

TEST(Float16, ValuesThatShapesDependOn) {
  const Tensor range = run_node("Range", {halves({}, {1}), halves({}, {3}), halves({}, {0.5F})})[0];
  EXPECT_EQ(values_of(range), (std::vector<float>{1, 1.5F, 2, 2.5F}));
  unsupported_of([] {
    run_node("Range", {halves({}, {1}), halves({}, {3}), halves({}, {1})},
             {{"stash_type", std::int64_t{10}}});
  });
  const Tensor hot = run_node("OneHot", {halves({2}, {1, 0}), halves({}, {2}), brains({2}, {-1, 1})})[0];
  EXPECT_EQ(values_of(hot), (std::vector<float>{-1, 1, 1, -1}));
  const Tensor eye = run_node("EyeLike", {floats({2, 2}, {0, 0, 0, 0})}, {{"dtype", std::int64_t{16}}})[0];
  EXPECT_EQ(eye.dtype(), DType::bf16);
  EXPECT_EQ(values_of(eye), (std::vector<float>{1, 0, 0, 1}));
  const Tensor filled = run_node("ConstantOfShape", {longs({1}, {2})}, {{"value", halves({1}, {2.5F})}})[0];
  EXPECT_EQ(values_of(filled), (std::vector<float>{2.5F, 2.5F}));
  const Tensor padded = run_node("Pad", 2, {{"pads", Ints{1, 0}}, {"value", 2.5F}}, {brains({1}, {1})})[0];
  EXPECT_EQ(values_of(padded), (std::vector<float>{2.5F, 1}));
}

TEST(Float16, AttentionMayNameTheTypeOfItsSoftmax) {
  const Tensor q = halves({1, 1, 1, 2}, {1, 2});
  EXPECT_EQ(run_node("Attention", {q, q, q}, {{"softmax_precision", std::int64_t{10}}})[0].dtype(),
            DType::f16);
  EXPECT_EQ(values_of(run_node("Attention", {q, q, q, floats({1, 1}, {-1})})[0]), (std::vector<float>{1, 2}));
  unsupported_of([&] { run_node("Attention", {q, q, q}, {{"softmax_precision", std::int64_t{16}}}); });
}

}  // namespace
}  // namespace edgeclip::engine
