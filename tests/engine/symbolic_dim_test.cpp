#include "engine/graph/symbolic_dim.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace edgeclip::engine {
namespace {

using D = SymbolicDim;

const D b = D::symbol("batch"), h = D::symbol("h"), w = D::symbol("w"), t = D::symbol("tokens");

TEST(SymbolicDim, SumsAndProductsHaveOneForm) {
  EXPECT_EQ((h + 1) * (w + 2), w * h + 2 * h + w + 2);
  EXPECT_EQ(h - h, D(0));
  EXPECT_EQ(b * h - h * b + 3, D(3));
  EXPECT_NE(h, w);
  EXPECT_NE(h + 1, h);
  EXPECT_EQ(D::symbol("h"), h);
  EXPECT_EQ((h - 5 - h).constant(), -5);
  EXPECT_FALSE(h.constant());
}

TEST(SymbolicDim, QuotientsRoundDownAndHaveOneForm) {
  EXPECT_EQ(floor_div(h - 3, 2) + 1, floor_div(h - 1, 2));
  EXPECT_EQ(floor_div(4 * h + 6, 2), 2 * h + 3);
  EXPECT_EQ(floor_div(4 * h + 7, 4), h + 1);
  EXPECT_EQ(floor_div(2 * h + 1, 4), floor_div(h, 2));
  EXPECT_EQ(floor_div(floor_div(h + 1, 2) + 1, 2), floor_div(h + 3, 4));
  EXPECT_EQ(floor_div(h - 1, 2), floor_div(h + 1, 2) - 1);
  EXPECT_NE(floor_div(h, 2), floor_div(h + 1, 2));
  EXPECT_EQ(floor_div(D(-7), 2), D(-4));
  EXPECT_EQ(floor_div(b * h * 12, b), 12 * h);
  EXPECT_EQ(floor_div(b * h * 12, 4 * h), 3 * b);
  EXPECT_EQ(floor_div(h + w, h + w), D(1));
}

TEST(SymbolicDim, MinimaAndMaximaOfWhatIsOrderedAreOneOfThem) {
  EXPECT_EQ(min_of(h, h + 2), h);
  EXPECT_EQ(max_of(h, h + 2), h + 2);
  EXPECT_EQ(min_of(0, h), D(0));
  EXPECT_EQ(min_of(floor_div(h, 2), h), floor_div(h, 2));
  EXPECT_EQ(max_of(h - min_of(h, 7), 0), h - min_of(7, h));
  EXPECT_EQ(min_of(h, w), min_of(w, h));
  EXPECT_NE(min_of(h, 7), h);
  EXPECT_NE(min_of(h, 7), D(7));
  EXPECT_EQ(min_of(D(3), D(5)), D(3));
}

TEST(SymbolicDim, BroadcastingTakesWhatIsNotOne) {
  EXPECT_EQ(broadcast_of(1, h), h);
  EXPECT_EQ(broadcast_of(h, 1), h);
  EXPECT_EQ(broadcast_of(h, h), h);
  EXPECT_EQ(broadcast_of(h, 7), D(7));
  EXPECT_EQ(broadcast_of(w, h + 2), h + 2);
  EXPECT_EQ(broadcast_of(h, w), broadcast_of(w, h));
  EXPECT_NE(broadcast_of(h, w), h);
  EXPECT_EQ(broadcast_of(t, min_of(t, 77)), t);
  EXPECT_EQ(broadcast_of(min_of(t, 77), t), t);
  EXPECT_TRUE(surely_spans(t, t) && surely_spans(7, t) && surely_spans(min_of(t, 77), t));
  EXPECT_FALSE(surely_spans(1, t) || surely_spans(min_of(t, 1), t) || surely_spans(h, w));
  EXPECT_FALSE(surely_spans(SymbolicDim::unknown(), t));
  EXPECT_NE(broadcast_of(min_of(t, 1), t), min_of(t, 1));
}

TEST(SymbolicDim, AnUnknownOneEqualsNothing) {
  const D unknown = D::unknown();
  EXPECT_NE(unknown, unknown);
  EXPECT_TRUE((unknown * 0 + h).is_unknown());
  EXPECT_TRUE(floor_div(unknown, 2).is_unknown());
  EXPECT_TRUE(floor_div(h, 0).is_unknown());
  EXPECT_FALSE(surely_at_least(unknown, 0));
  EXPECT_EQ(broadcast_of(unknown, 5), D(5));
}

TEST(SymbolicDim, WhatOverflowsOrGrowsTooLargeIsUnknown) {
  EXPECT_TRUE((h * INT64_MAX * 3).is_unknown());
  EXPECT_TRUE((h * INT64_MAX + h * INT64_MAX).is_unknown());
  D power = h + 1;
  for (int i = 0; i < 10; ++i) power = power * (power + w);
  EXPECT_TRUE(power.is_unknown());
  D nested = h;
  for (int i = 0; i < 100; ++i) nested = floor_div(nested * w + 1, 3);
  EXPECT_TRUE(nested.is_unknown());
}

TEST(SymbolicDim, NamesAreNotReadAsExpressions) {
  EXPECT_NE(D::symbol("h+1"), h + 1);
  EXPECT_NE(D::symbol("1"), D(1));
  EXPECT_NE(D::symbol("h.s1:w"), h * w);
}

TEST(SymbolicDim, IsPrinted) {
  EXPECT_EQ((3 * h + 1).text(), "3*h+1");
  EXPECT_EQ(floor_div(h + 1, 2).text(), "(h+1)/2");
  EXPECT_EQ((floor_div(h, 2) - 1).text(), "h/2-1");
  EXPECT_EQ((b * t).text(), "batch*tokens");
  EXPECT_EQ(min_of(t, 77).text(), "min(tokens, 77)");
  EXPECT_EQ((D(2) - h).text(), "-h+2");
  EXPECT_EQ((2 * floor_div(h, 3)).text(), "2*(h/3)");
  EXPECT_EQ(shape_text({b, 3, floor_div(h + 1, 2)}), "(batch, 3, (h+1)/2)");
  EXPECT_EQ(D::unknown().text(), "?");
}

/// A random expression, and its value computed directly.
struct Sample {
  D form;
  std::int64_t value;
};

Sample random_sample(std::mt19937& random, const std::map<std::string, std::int64_t>& sizes, int depth) {
  const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  if (depth == 0) {
    if (pick(3) == 0) {
      const std::int64_t c = pick(9) - 3;
      return {c, c};
    }
    const auto it = std::next(sizes.begin(), pick(static_cast<int>(sizes.size())));
    return {D::symbol(it->first), it->second};
  }
  const Sample x = random_sample(random, sizes, depth - 1), y = random_sample(random, sizes, depth - 1);
  const std::int64_t d = 1 + pick(6);
  switch (pick(7)) {
    case 0:
      return {x.form + y.form, x.value + y.value};
    case 1:
      return {x.form - y.form, x.value - y.value};
    case 2:
      return {x.form * y.form, x.value * y.value};
    case 3:
      return {min_of(x.form, y.form), std::min(x.value, y.value)};
    case 4:
      return {max_of(x.form, y.form), std::max(x.value, y.value)};
    case 5:
      if (y.value > 0)
        return {floor_div(x.form, y.form), x.value / y.value - (x.value % y.value < 0 ? 1 : 0)};
      [[fallthrough]];
    default:
      return {floor_div(x.form, d), x.value / d - (x.value % d < 0 ? 1 : 0)};
  }
}

TEST(SymbolicDim, FormsHaveTheValueOfWhatTheyWereMadeFrom) {
  std::mt19937 random(7);
  int evaluated = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::map<std::string, std::int64_t> sizes = {{"h", static_cast<std::int64_t>(random() % 12)},
                                                       {"w", static_cast<std::int64_t>(random() % 7)}};
    const Sample s = random_sample(random, sizes, 1 + i % 4);
    const auto value = s.form.evaluate(sizes);
    if (!value) continue;  // unknown, or a division by what is 0
    ++evaluated;
    ASSERT_EQ(*value, s.value) << s.form.text() << " of h " << sizes.at("h") << ", w " << sizes.at("w");
    if (s.form.at_least() != D::kNoBound) {
      ASSERT_LE(s.form.at_least(), s.value) << s.form.text();
    }
  }
  EXPECT_GT(evaluated, 12000);
}

}  // namespace
}  // namespace edgeclip::engine
