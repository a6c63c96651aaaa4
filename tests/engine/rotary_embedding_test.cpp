#include <gtest/gtest.h>

#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

using namespace test;

/// A quarter turn at position 1, none at position 0.
const Tensor kCos = floats({2, 1}, {1, 0}), kSin = floats({2, 1}, {0, 1});

TEST(RotaryEmbedding, TurnsPairsByPosition) {
  const auto x = floats({1, 1, 2, 3}, {1, 2, 3, 4, 5, 6});
  const Attributes two = {{"rotary_embedding_dim", std::int64_t{2}}};
  EXPECT_EQ(elements_of<float>(run_node("RotaryEmbedding", {x, kCos, kSin, longs({1, 2}, {0, 1})}, two)[0]),
            (std::vector<float>{1, 2, 3, -5, 4, 6}));
  EXPECT_EQ(elements_of<float>(run_node("RotaryEmbedding", {x, kCos, kSin, longs({1, 2}, {-1, 0})}, two)[0]),
            (std::vector<float>{-2, 1, 3, 4, 5, 6}));
}

TEST(RotaryEmbedding, Refusals) {
  const auto x = floats({1, 1, 1, 2}, {1, 2}), packed = floats({1, 1, 4}, {1, 2, 3, 4});
  const auto at = longs({1, 1}, {0});
  const auto run = [](const std::vector<Tensor>& inputs, const Attributes& attributes = {}) {
    return [=] { run_node("RotaryEmbedding", inputs, attributes); };
  };
  EXPECT_NE(invalid_input_of(run({x, kCos, kSin, longs({1, 1}, {2})})).find("index 2 is out of range"),
            std::string::npos);
  refusal_of(run({x, kCos, kSin}));  // tables without positions are (batch, tokens, pairs)
  refusal_of(run({x, kCos, floats({1, 1}, {0}), at}));
  refusal_of(run({packed, kCos, kSin, at}));
  refusal_of(run({packed, kCos, kSin, at}, {{"num_heads", std::int64_t{3}}}));
  refusal_of(run({packed, kCos, kSin, at}, {{"num_heads", std::int64_t{4}}}));  // heads of 1 have no pairs
  refusal_of(run({x, kCos, kSin, at}, {{"rotary_embedding_dim", std::int64_t{4}}}));
  refusal_of(run({x, kCos, kSin, at}, {{"rotary_embedding_dim", std::int64_t{-2}}}));
}

}  // namespace
}  // namespace edgeclip::engine
