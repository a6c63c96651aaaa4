#include "model/ops/attention.h"

#include <gtest/gtest.h>

#include <cmath>

namespace edgeclip {
namespace {

/// q, k and v as parts of one matrix (N, 3 W), whose gradient is compared.
struct AttentionCase {
  Sequences sequences;
  std::int64_t heads, size;
  torch::Tensor qkv, cotangent;
  bool one_query;

  AttentionCase(std::vector<std::int64_t> lengths, std::int64_t heads, std::int64_t size, bool one_query)
      : sequences(Sequences::of_lengths(lengths)), heads(heads), size(size), one_query(one_query) {
    const std::int64_t width = heads * size;
    qkv = torch::randn({sequences.rows(), 3 * width});
    cotangent = torch::randn({one_query ? sequences.count() : sequences.rows(), width});
  }
  using Op = torch::Tensor (*)(const torch::Tensor&, const torch::Tensor&, const torch::Tensor&, std::int64_t,
                               const Sequences&, double);
  /// The result and the gradient, float32.
  std::pair<torch::Tensor, torch::Tensor> run(Op op, torch::ScalarType type) const {
    const torch::Tensor in = qkv.to(type).detach().requires_grad_(true);
    const auto parts = in.chunk(3, 1);
    const torch::Tensor q = one_query ? parts[0].index_select(0, sequences.last_rows(torch::kCPU)) : parts[0];
    const torch::Tensor y = op(q, parts[1], parts[2], heads, sequences, 0);
    EXPECT_EQ(y.scalar_type(), type);
    y.backward(cotangent.to(type));
    return {y.detach().to(torch::kFloat), in.grad().to(torch::kFloat)};
  }
};

double largest_difference(const torch::Tensor& a, const torch::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a - b).abs().max().item<double>();
}

TEST(Attention, TheKernelIsTheReference) {
  torch::manual_seed(1);
  for (const bool equal : {false, true})
    for (const bool one_query : {false, true})
      for (const bool causal : {false, true})
        for (const bool bias : {false, true}) {
          AttentionCase c(equal ? std::vector<std::int64_t>{50, 50} : std::vector<std::int64_t>{7, 1, 77, 33}, 3, 32,
                          one_query);
          c.sequences.causal = causal;
          if (bias) c.sequences.key_bias = torch::randn({c.sequences.rows()});
          for (const auto type : {torch::kFloat, torch::kBFloat16}) {
            const auto [y, g] = c.run(ops::attention, type);
            const auto [wanted_y, wanted_g] = c.run(ops::attention_reference, type);
            // bfloat16: both round float32 results once, of which the last bit may differ.
            const double tolerance = type == torch::kFloat ? 1e-5 : 0.03;
            EXPECT_LE(largest_difference(y, wanted_y), tolerance) << equal << one_query << causal << bias << type;
            EXPECT_LE(largest_difference(g, wanted_g), tolerance) << equal << one_query << causal << bias << type;
          }
        }
}

TEST(Attention, ARaggedBatchIsItsSequencesAlone) {
  torch::manual_seed(2);
  AttentionCase c({5, 40, 12}, 2, 16, false);
  c.sequences.causal = true;
  c.sequences.key_bias = torch::randn({57});
  const auto all = c.run(ops::attention, torch::kFloat);
  for (std::int64_t b = 0; b < 3; ++b) {
    const auto rows = [&](const torch::Tensor& t) {
      return t.slice(0, c.sequences.begin(b), c.sequences.begin(b + 1));
    };
    AttentionCase one({c.sequences.length(b)}, 2, 16, false);
    one.qkv = rows(c.qkv);
    one.cotangent = rows(c.cotangent);
    one.sequences.causal = true;
    one.sequences.key_bias = rows(c.sequences.key_bias);
    const auto alone = one.run(ops::attention, torch::kFloat);
    EXPECT_TRUE(torch::equal(rows(all.first), alone.first));
    EXPECT_TRUE(torch::equal(rows(all.second), alone.second));
  }
}

TEST(Attention, SoftmaxOfBfloat16IsFloat32) {
  // Scores of 100 and 100.3: in bfloat16 both would be 100.
  torch::Tensor q = torch::zeros({2, 16}), v = torch::zeros({2, 16});
  q.index_put_({torch::indexing::Slice(), 0}, 1.0);
  v.index_put_({0, 0}, 1.0);
  Sequences sequences = Sequences::equal(1, 2);
  sequences.key_bias = torch::tensor({100.0F, 100.3F});
  const auto type = torch::kBFloat16;
  const torch::Tensor y = ops::attention(q.to(type), torch::zeros({2, 16}).to(type), v.to(type), 1, sequences);
  EXPECT_NEAR(y[0][0].item<double>(), 1 / (1 + std::exp(0.3)), 2e-3);
}

TEST(Attention, EverythingElseTakesTheReference) {
  torch::manual_seed(3);
  AttentionCase c({4, 9}, 2, 10, false);  // heads of 10 elements
  EXPECT_TRUE(torch::equal(c.run(ops::attention, torch::kFloat).second,
                           c.run(ops::attention_reference, torch::kFloat).second));
  AttentionCase kernel({4, 9}, 2, 16, false);
  const auto wide = kernel.run(ops::attention, torch::kDouble), narrow = kernel.run(ops::attention, torch::kFloat);
  EXPECT_LE(largest_difference(wide.second, narrow.second), 1e-5);
  const auto q = kernel.qkv.slice(1, 0, 32);
  torch::manual_seed(4);
  const torch::Tensor dropped = ops::attention(q, q, q, 2, kernel.sequences, 0.5);
  torch::manual_seed(4);
  EXPECT_TRUE(torch::equal(dropped, ops::attention_reference(q, q, q, 2, kernel.sequences, 0.5)));
  EXPECT_FALSE(torch::equal(dropped, ops::attention(q, q, q, 2, kernel.sequences)));
}

TEST(Attention, NothingToDo) {
  const torch::Tensor none = torch::zeros({0, 32}).requires_grad_(true);
  const torch::Tensor y = ops::attention(none, none, none, 2, Sequences{});
  EXPECT_EQ(y.sizes(), none.sizes());
  y.sum().backward();
}

TEST(Sequences, SayWhereRowsLie) {
  const Sequences s = Sequences::of_lengths({2, 1, 3});
  EXPECT_EQ(s.count(), 3);
  EXPECT_EQ(s.rows(), 6);
  EXPECT_EQ(s.longest(), 3);
  EXPECT_FALSE(s.is_equal());
  EXPECT_TRUE(Sequences::equal(4, 5).is_equal());
  const auto is = [](const torch::Tensor& t, std::vector<std::int64_t> wanted) {
    return torch::equal(t, torch::tensor(wanted, torch::kInt64));
  };
  EXPECT_TRUE(is(s.first_rows(torch::kCPU), {0, 2, 3}));
  EXPECT_TRUE(is(s.last_rows(torch::kCPU), {1, 2, 5}));
  EXPECT_TRUE(is(s.owners(torch::kCPU), {0, 0, 1, 2, 2, 2}));
  EXPECT_TRUE(is(s.positions(torch::kCPU), {0, 1, 0, 0, 1, 2}));
  EXPECT_TRUE(is(s.places(4, torch::kCPU), {0, 1, 4, 8, 9, 10}));
}

}  // namespace
}  // namespace edgeclip
