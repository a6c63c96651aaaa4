#include <gtest/gtest.h>

#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

using namespace test;

TEST(ReverseSequence, ReversesTheBeginning) {
  const auto x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  const Attributes batch_first = {{"batch_axis", std::int64_t{0}}, {"time_axis", std::int64_t{1}}};
  EXPECT_EQ(elements_of<float>(run_node("ReverseSequence", {x, longs({2}, {2, 3})}, batch_first)[0]),
            (std::vector<float>{2, 1, 3, 6, 5, 4}));
  EXPECT_EQ(elements_of<float>(run_node("ReverseSequence", {x, longs({3}, {0, 1, 2})})[0]),
            (std::vector<float>{1, 2, 6, 4, 5, 3}));
  refusal_of([&] { run_node("ReverseSequence", {x, longs({2}, {2, 4})}, batch_first); });
  refusal_of([&] { run_node("ReverseSequence", {x, longs({2}, {-1, 3})}, batch_first); });
  refusal_of([&] { run_node("ReverseSequence", {x, longs({2}, {1, 1})}); });
  refusal_of([&] {
    run_node("ReverseSequence", {x, longs({3}, {0, 1, 2})}, {{"time_axis", std::int64_t{1}}});
  });
}

}  // namespace
}  // namespace edgeclip::engine
