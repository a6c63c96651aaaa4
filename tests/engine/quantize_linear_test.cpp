#include <gtest/gtest.h>

#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

using namespace test;

TEST(QuantizeLinear, BlocksOfARowShareAScale) {
  const auto x = floats({1, 5}, {1, 2, 3, 4, 5}), scale = floats({1, 3}, {1, 0.5F, 0.25F});
  const Attributes blocks = {{"block_size", std::int64_t{2}}, {"output_dtype", std::int64_t{5}}};
  EXPECT_EQ(elements_of<std::int16_t>(run_node("QuantizeLinear", {x, scale}, blocks)[0]),
            (std::vector<std::int16_t>{1, 2, 6, 8, 20}));
  const auto q = Tensor::from<std::int8_t>({1, 5}, {1, 2, 6, 8, 20});
  EXPECT_EQ(
      elements_of<float>(run_node("DequantizeLinear", {q, scale}, {{"block_size", std::int64_t{2}}})[0]),
      (std::vector<float>{1, 2, 3, 4, 5}));
}

TEST(QuantizeLinear, Refusals) {
  const auto x = floats({1, 5}, {1, 2, 3, 4, 5}), scale = floats({1, 3}, {1, 1, 1});
  const auto run = [&](const Tensor& s, const Attributes& attributes, int opset = 28) {
    return [=] { run_node("QuantizeLinear", {x, s}, attributes, opset); };
  };
  const auto blocks = [](std::int64_t size) { return Attributes{{"block_size", size}}; };
  refusal_of(run(scale, blocks(1)));
  refusal_of(run(scale, blocks(-2)));
  refusal_of(run(scale, blocks(std::numeric_limits<std::int64_t>::max())));
  refusal_of(run(scale, {}));
  unsupported_of(run(scale, blocks(2), 19));  // no such attribute yet
  refusal_of(run(floats({5}, {1, 1, 1, 1, 1}), {}, 10));
  unsupported_of(run(floats({}, {1}), {{"output_dtype", std::int64_t{22}}}));  // int4
  refusal_of(run(floats({}, {1}), {{"output_dtype", std::int64_t{1}}}));
  unsupported_of(run(floats({}, {1}), {{"precision", std::int64_t{10}}}));
  refusal_of([&] {
    run_node("QuantizeLinear", {x, floats({}, {1}), Tensor::from<std::int8_t>({}, {0})},
             {{"output_dtype", std::int64_t{2}}});
  });
}

}  // namespace
}  // namespace edgeclip::engine
