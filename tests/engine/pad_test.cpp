// Pad in all modes, and what its shape rule refuses.
#include <gtest/gtest.h>

#include <limits>

#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

using test::elements_of;
using test::Ints;
using test::refusal_of;
using test::run_node;

std::vector<std::int32_t> pad(const std::string& mode, const Ints& pads) {
  const auto count = static_cast<std::int64_t>(pads.size());
  return elements_of<std::int32_t>(
      run_node("Pad", 19, {{"mode", mode}},
               {Tensor::from<std::int32_t>({3}, {1, 2, 3}), Tensor::from<std::int64_t>({count}, pads)})[0]);
}

TEST(Pad, Modes) {
  using Values = std::vector<std::int32_t>;
  EXPECT_EQ(pad("constant", {1, 1}), (Values{0, 1, 2, 3, 0}));
  EXPECT_EQ(pad("edge", {2, 1}), (Values{1, 1, 1, 2, 3, 3}));
  EXPECT_EQ(pad("wrap", {2, 1}), (Values{2, 3, 1, 2, 3, 1}));
  EXPECT_EQ(pad("reflect", {2, 1}), (Values{3, 2, 1, 2, 3, 2}));
  EXPECT_EQ(pad("reflect", {4, 4}), (Values{1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3}));
}

TEST(Pad, NegativePadsCutFirst) {
  using Values = std::vector<std::int32_t>;
  EXPECT_EQ(pad("edge", {-1, 2}), (Values{2, 3, 3, 3}));
  EXPECT_EQ(pad("reflect", {-1, 2}), (Values{2, 3, 2, 3}));
  EXPECT_EQ(pad("wrap", {1, -1}), (Values{2, 1, 2}));
  EXPECT_EQ(pad("reflect", {2, -2}), (Values{1, 1, 1}));
}

TEST(Pad, OlderVersionsHaveAttributes) {
  const auto y =
      run_node("Pad", 2, {{"mode", "reflect"}, {"pads", Ints{1, 0}}}, {Tensor::from<float>({3}, {1, 2, 3})});
  EXPECT_EQ(elements_of<float>(y[0]), (std::vector<float>{2, 1, 2, 3}));
  EXPECT_NE(refusal_of("Pad", 10, {{"mode", "wrap"}, {"pads", Ints{1, 0}}}, {{3}}), "");
}

TEST(PadShape, RefusesWhatOverflows) {
  constexpr std::int64_t kLow = std::numeric_limits<std::int64_t>::min(),
                         kHigh = std::numeric_limits<std::int64_t>::max();
  for (const char* mode : {"constant", "edge", "reflect", "wrap"}) {
    for (const Ints& pads : {Ints{kHigh, 0}, Ints{kLow, kHigh}, Ints{kLow, 0}, Ints{-4, 0}, Ints{1}}) {
      const auto count = static_cast<std::int64_t>(pads.size());
      EXPECT_NE(refusal_of("Pad", 19, {{"mode", mode}}, {{3}, {}},
                           {{1, Tensor::from<std::int64_t>({count}, pads)}}),
                "")
          << mode << " " << pads[0];
    }
    if (mode == std::string("constant")) continue;
    const std::vector<std::pair<std::size_t, Tensor>> known = {{1, Tensor::from<std::int64_t>({2}, {1, 0})}};
    EXPECT_NE(refusal_of("Pad", 19, {{"mode", mode}}, {{0}, {}}, known), "") << mode;
  }
  EXPECT_NE(refusal_of("Pad", 19, {{"mode", "mirror"}}, {{3}, {2}}), "");
  EXPECT_NE(refusal_of("Pad", 17, {}, {{3}, {2}, {}, {1}}), "");  // axes came with opset 18
}

}  // namespace
}  // namespace edgeclip::engine
