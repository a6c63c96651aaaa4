#include <gtest/gtest.h>

#include <limits>

#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

using namespace test;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// One head of one element, `n` tokens.
Tensor column(const std::vector<float>& values) {
  return floats({1, 1, static_cast<std::int64_t>(values.size()), 1}, values);
}

const Tensor kZero3 = column({0, 0, 0}), kValues = column({3, 6, 9});

TEST(Attention, CausalWindowAndMaskMeet) {
  EXPECT_EQ(elements_of<float>(run_node("Attention", {kZero3, kZero3, kValues})[0]),
            (std::vector<float>{6, 6, 6}));
  EXPECT_EQ(elements_of<float>(
                run_node("Attention", {kZero3, kZero3, kValues}, {{"is_causal", std::int64_t{1}}})[0]),
            (std::vector<float>{3, 4.5F, 6}));
  EXPECT_EQ(elements_of<float>(
                run_node("Attention", {kZero3, kZero3, kValues},
                         {{"left_window_size", std::int64_t{0}}, {"right_window_size", std::int64_t{1}}})[0]),
            (std::vector<float>{4.5F, 7.5F, 9}));
  const auto mask = Tensor::from<bool>({3, 3}, {true, false, false, false, true, true, false, false, false});
  EXPECT_EQ(elements_of<float>(run_node("Attention", {kZero3, kZero3, kValues, mask})[0]),
            (std::vector<float>{3, 7.5F, 0}));  // no key at all gives 0
}

TEST(Attention, AShortMaskHidesTheOtherKeys) {
  const auto mask = floats({2}, {0, -kInfinity});
  EXPECT_EQ(elements_of<float>(run_node("Attention", {kZero3, kZero3, kValues, mask}, {}, 24)[0]),
            (std::vector<float>{3, 3, 3}));
  refusal_of([&] { run_node("Attention", {kZero3, kZero3, kValues, mask}, {}, 23); });
}

TEST(Attention, TheCacheGrows) {
  const auto one = column({0}), y = column({12});
  const auto out = run_node("Attention", {one, one, y, Tensor{}, kZero3, kValues}, {}, 23, 4);
  EXPECT_EQ(elements_of<float>(out[0]), (std::vector<float>{7.5F}));
  EXPECT_EQ(elements_of<float>(out[2]), (std::vector<float>{3, 6, 9, 12}));
  EXPECT_EQ(out[3].shape(), (Shape{1, 1, 1, 4}));
}

TEST(Attention, Refusals) {
  const auto run = [](const std::vector<Tensor>& inputs, const Attributes& attributes = {}, int opset = 25) {
    return [=] { run_node("Attention", inputs, attributes, opset); };
  };
  const auto packed = floats({1, 2, 4}, std::vector<float>(8));
  refusal_of(run({packed, packed, packed}));  // no head counts
  const auto heads = [](std::int64_t q, std::int64_t kv) {
    return Attributes{{"q_num_heads", q}, {"kv_num_heads", kv}};
  };
  refusal_of(run({packed, packed, packed}, heads(3, 1)));
  refusal_of(run({packed, packed, packed}, heads(4, -2)));
  refusal_of(run({packed, packed, packed}, heads(4, 2)));  // heads of 1 and of 2
  refusal_of(run({kZero3, kZero3, column({1, 2})}));
  refusal_of(run({kZero3, packed, packed}));
  refusal_of(run({kZero3, kZero3, kValues, Tensor{}, kZero3}));
  refusal_of(run({kZero3, kZero3, kValues, Tensor{}, kZero3, column({1})}));
  refusal_of(run({kZero3, kZero3, kValues, Tensor{}, kZero3, kValues, longs({1}, {3})}));
  refusal_of(run({kZero3, kZero3, kValues, Tensor{}, Tensor{}, Tensor{}, longs({1}, {4})}));
  refusal_of(run({kZero3, kZero3, kValues, Tensor{}, Tensor{}, Tensor{}, longs({1}, {-1})}));
  refusal_of(run({kZero3, kZero3, kValues, Tensor{}, Tensor{}, Tensor{}, longs({2}, {1, 1})}));
  refusal_of(run({kZero3, kZero3, kValues, floats({4}, {0, 0, 0, 0})}));
  refusal_of(run({kZero3, kZero3, kValues}, {{"left_window_size", std::int64_t{-2}}}));
  refusal_of(run({kZero3, kZero3, kValues}, {{"qk_matmul_output_mode", std::int64_t{4}}}));
  unsupported_of(run({kZero3, kZero3, kValues}, {{"left_window_size", std::int64_t{1}}}, 24));
  unsupported_of(run({kZero3, kZero3, kValues}, {{"softmax_precision", std::int64_t{10}}}));
  unsupported_of(run({kZero3, kZero3, kValues, longs({3}, {0, 0, 0})}));
}

TEST(Attention, SizesDoNotOverflow) {
  const std::int64_t large = std::int64_t{1} << 39, none = 0;
  const Shape q = {large, 1, none, 1}, k = {large, 1, 1, 1};
  refusal_of([&] {
    infer_shape(
        "Attention",
        {{DType::f32, {large, 1, 4, 1}}, {DType::f32, {large, 1, 4, 1}}, {DType::f32, {large, 1, 4, 1}}});
  });
  EXPECT_EQ(infer_shape("Attention", {{DType::f32, q}, {DType::f32, k}, {DType::f32, k}}), q);
}

}  // namespace
}  // namespace edgeclip::engine
