#include <gtest/gtest.h>

#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

using namespace test;

TEST(ActivationFunctions, LargeArgumentsStayFinite) {
  for (const char* op : {"Mish", "Swish", "Celu", "Softsign", "Gelu"}) {
    const auto y = elements_of<float>(run_node(op, {floats({2}, {-200, 200})})[0]);
    EXPECT_NEAR(y[0], std::string(op) == "Celu" || std::string(op) == "Softsign" ? -1 : 0, 0.01) << op;
    EXPECT_NEAR(y[1], std::string(op) == "Softsign" ? 1 : 200, 0.01) << op;
  }
}

TEST(ActivationFunctions, IntegersOfShrinkSaturate) {
  const auto x = Tensor::from<std::uint8_t>({3}, {0, 2, 255});
  EXPECT_EQ(elements_of<std::uint8_t>(run_node("Shrink", {x}, {{"lambd", 1.5F}, {"bias", -1.5F}})[0]),
            (std::vector<std::uint8_t>{0, 3, 255}));
}

TEST(ActivationFunctions, Refusals) {
  const auto x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  refusal_of([&] { run_node("Gelu", {x}, {{"approximate", std::string("erf")}}); });
  unsupported_of([&] { run_node("Gelu", {x}, {}, 19); });
  refusal_of([&] { run_node("Celu", {x}, {{"alpha", 0.0F}}); });
  refusal_of([&] { run_node("PRelu", {floats({3}, {1, 2, 3}), x}); });  // the slope must not broadcast x
  refusal_of([&] { run_node("PRelu", {x, floats({2}, {1, 2})}); });
}

}  // namespace
}  // namespace edgeclip::engine
