// Sessions that choose layouts, work in place and write into the caller's memory, against the reference.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "engine/ops/interpreter.h"
#include "engine/runtime/session.h"
#include "engine/graph_support.h"
#include "engine/small_graphs.h"
#include "support/support.h"

namespace edgeclip::engine {
namespace {

using Ints = std::vector<std::int64_t>;

/// A chain of the operators of convolution models, drawn at random, that often reads what it read before:
/// every mixture of layouts, views, copies and operations in place comes up.
class RandomModel {
 public:
  explicit RandomModel(std::uint64_t seed) : rng_(seed) {
    values_.push_back({maker_.input("x", DType::f32, {2, 4, 8, 8}), {2, 4, 8, 8}});
    for (int i = 0; i < 14; ++i) add();
    // Several outputs: the last, an early one, and a view of the last.
    const Made& last = values_.back();
    maker_.graph.outputs = {last.id, values_[values_.size() / 2].id};
    maker_.graph.outputs.push_back(
        maker_.node("Reshape", {last.id, maker_.constant<std::int64_t>({1}, {-1})}));
  }

  Graph graph() { return maker_.graph; }

 private:
  struct Made {
    ValueId id;
    Shape shape;
  };

  ValueId weights(const Shape& shape) {
    std::vector<float> values(static_cast<std::size_t>(num_elements(shape)));
    for (float& v : values) v = static_cast<float>(rng_.normal() * 0.3);
    return maker_.constant<float>(shape, values);
  }

  const Made& pick() { return values_[static_cast<std::size_t>(rng_.below(values_.size()))]; }
  const Made& latest() { return rng_.chance(0.7) ? values_.back() : pick(); }

  void add() {
    const Made x = latest();
    const std::int64_t channels = x.shape[1];
    switch (rng_.below(13)) {
      case 0: {
        const std::int64_t out = rng_.range(1, 6);
        return push(maker_.node("Conv", {x.id, weights({out, channels, 3, 3}), weights({out})},
                                {{"pads", Ints{1, 1, 1, 1}}}),
                    {x.shape[0], out, x.shape[2], x.shape[3]});
      }
      case 1:
        return push(maker_.node("Conv", {x.id, weights({channels, 1, 1, 1})}, {{"group", channels}}), x.shape);
      case 2:
        return push(maker_.node("Relu", {x.id}), x.shape);
      case 3:
        return push(maker_.node("MaxPool", {x.id},
                                {{"kernel_shape", Ints{3, 3}}, {"pads", Ints{1, 1, 1, 1}}}),
                    x.shape);
      case 4:
      case 5:
        for (std::size_t i = values_.size(); i-- > 0;)
          if (values_[i].shape == x.shape && (values_[i].id != x.id || rng_.chance(0.2)))
            return push(maker_.node("Add", {x.id, values_[i].id}), x.shape);
        return push(maker_.node("Mul", {x.id, weights({1, channels, 1, 1})}), x.shape);
      case 6: {
        const Made& other = pick();
        if (other.shape[2] != x.shape[2] || channels + other.shape[1] > 16) break;
        return push(maker_.node("Concat", {x.id, other.id}, {{"axis", std::int64_t{1}}}),
                    {x.shape[0], channels + other.shape[1], x.shape[2], x.shape[3]});
      }
      case 7: {
        if (channels < 2) break;
        return push(maker_.node("Slice", {x.id, maker_.constant<std::int64_t>({1}, {0}),
                                          maker_.constant<std::int64_t>({1}, {channels}),
                                          maker_.constant<std::int64_t>({1}, {1}),
                                          maker_.constant<std::int64_t>({1}, {2})}),
                    {x.shape[0], (channels + 1) / 2, x.shape[2], x.shape[3]});
      }
      case 8:
        return push(maker_.node("Transpose", {x.id}, {{"perm", Ints{0, 1, 3, 2}}}), x.shape);
      case 9: {
        // Through another shape and back: bytes must be plain in between.
        const ValueId flat = maker_.node("Reshape", {x.id, maker_.constant<std::int64_t>({2}, {x.shape[0], -1})});
        const ValueId tanh = maker_.node("Tanh", {flat});
        return push(maker_.node("Reshape", {tanh, maker_.constant<std::int64_t>({4}, x.shape)}), x.shape);
      }
      case 10: {
        const Made& other = pick();
        const std::int64_t all = channels + other.shape[1];
        if (other.shape[2] != x.shape[2] || all > 16) break;
        return push(of_ours("ChannelAffine", {x.id, weights({all}), weights({all}), other.id}, {}),
                    {x.shape[0], all, x.shape[2], x.shape[3]});
      }
      case 11: {
        const Made& other = pick();
        const std::int64_t all = channels + other.shape[1];
        if (other.shape[2] != x.shape[2] || all > 16 || all % 2 != 0) break;
        return push(of_ours("ChannelShuffle", {x.id, other.id}, {{"group", std::int64_t{2}}}),
                    {x.shape[0], all, x.shape[2], x.shape[3]});
      }
      default: {
        const ValueId mean = maker_.node("GlobalAveragePool", {x.id});
        return push(maker_.node("Mul", {x.id, maker_.node("Sigmoid", {mean})}), x.shape);
      }
    }
    push(maker_.node("Sigmoid", {x.id}), x.shape);
  }

  ValueId of_ours(const std::string& op, std::vector<ValueId> inputs, std::map<std::string, Attribute> attributes) {
    const ValueId y = maker_.node(op, std::move(inputs), std::move(attributes), 1);
    maker_.graph.nodes().back().domain = "edgeclip";
    return y;
  }

  void push(ValueId id, Shape shape) { values_.push_back({id, std::move(shape)}); }

  Rng rng_;
  edgeclip::test::GraphMaker maker_;
  std::vector<Made> values_;
};

class LayoutMixtures : public testing::TestWithParam<int> {};

TEST_P(LayoutMixtures, AnyMixtureGivesWhatTheReferenceGives) {
  for (int k = 0; k < 20; ++k) {
    const auto seed = static_cast<std::uint64_t>(GetParam() * 100 + k);
    SCOPED_TRACE(seed);
    const Graph graph = RandomModel(seed).graph();
    const Session session(graph, {});
    Context context(session);
    for (int run = 0; run < 2; ++run) {  // nothing may be left over from the run before
      const Tensor x = test::random_floats({2, 4, 8, 8}, seed + static_cast<std::uint64_t>(run));
      const Tensor before = x.clone();
      const auto expected = run_reference(graph, {x.view()});
      const auto given = context.run({x.view()});
      EXPECT_EQ(test::max_difference(x, before), 0);  // inputs are the caller's
      for (std::size_t i = 0; i < expected.size(); ++i) {
        double size = 1;
        for (std::int64_t e = 0; e < expected[i].elements(); ++e)
          size = std::max(size, std::fabs(static_cast<double>(expected[i].data<float>()[e])));
        ASSERT_LE(test::max_difference(given[i], expected[i]), 1e-4 * size) << "output " << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, LayoutMixtures, testing::Range(0, 10));

std::vector<std::string> kernels_of(const Graph& graph, const Shape& shape) {
  const Session session(graph, {});
  std::vector<std::string> ops;
  for (const Context::Layer& layer : Context(session).layers({shape})) ops.push_back(layer.op);
  return ops;
}

TEST(LayoutChoice, ConvolutionsPassTheirLayoutOn) {
  edgeclip::test::GraphMaker m;
  const ValueId x = m.input("x", DType::f32, {1, 4, 8, 8});
  const auto conv = [&](ValueId from) {
    return m.node("Conv", {from, m.constant<float>({4, 4, 1, 1}, std::vector<float>(16, 0.5f))});
  };
  const ValueId a = m.node("Relu", {conv(x)});
  const ValueId sum = m.node("Add", {conv(a), a});
  const ValueId pooled = m.node("GlobalAveragePool", {m.node("MaxPool", {sum}, {{"kernel_shape", Ints{2, 2}}})});
  m.graph.outputs = {m.node("Flatten", {pooled})};
  // The input is reordered once, nothing else is.
  EXPECT_EQ(kernels_of(m.graph, {1, 4, 8, 8}),
            (std::vector<std::string>{"Reorder", "Conv", "Relu", "Conv", "Add", "MaxPool", "GlobalAveragePool"}));
}

/// A quantized convolution model: bytes from one convolution to the next, channels last throughout.
TEST(LayoutChoice, QuantizedConvolutionsPassTheirLayoutOn) {
  edgeclip::test::GraphMaker m;
  const ValueId x = m.input("x", DType::f32, {2, 8, 8, 6});
  const ValueId scale = m.scalar(0.03f), zero = m.constant<std::uint8_t>({}, {120});
  std::vector<std::int8_t> bytes(8 * 8 * 3 * 3);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::int8_t>(i * 37 % 255 - 127);
  const ValueId w = m.constant<std::int8_t>({8, 8, 3, 3}, bytes),
                w_scale = m.constant<float>({8}, std::vector<float>(8, 0.001f)),
                bias = m.constant<float>({8}, {1, -1, 2, 0, 0, 3, -2, 0});
  const auto conv = [&](ValueId from, ValueId residual, const std::string& out) {
    std::map<std::string, Attribute> attributes = {
        {"x_scale", 0.03f}, {"x_zero_point", std::int64_t{120}}, {"pads", Ints{1, 1, 1, 1}}, {"activation", "relu"}};
    if (!out.empty()) {
      attributes["out_type"] = out;
      attributes["out_scale"] = 0.03f;
      attributes["out_zero_point"] = std::int64_t{120};
    }
    const ValueId y = m.node("QuantConv", {from, w, w_scale, bias, residual}, attributes, 1);
    m.graph.nodes().back().domain = "edgeclip";
    return y;
  };
  const auto quantize = [&](ValueId from) { return m.node("QuantizeLinear", {from, scale, zero}); };
  const ValueId a = conv(quantize(x), kNoValue, "uint8");
  const ValueId pooled = m.node("MaxPool", {a}, {{"kernel_shape", Ints{3, 3}}, {"pads", Ints{1, 1, 1, 1}}});
  const ValueId joined = m.node("Concat", {pooled, a}, {{"axis", std::int64_t{2}}});
  const ValueId real = m.node("DequantizeLinear", {joined, scale, zero});
  const ValueId sum = conv(joined, real, "");
  const ValueId last = conv(quantize(sum), kNoValue, "int8");
  m.graph.outputs = {sum, m.node("DequantizeLinear", {last, scale, m.constant<std::int8_t>({}, {120})}), last};

  const Session session(m.graph, {});
  Context context(session);
  const Shape shape = {2, 8, 8, 6};
  std::vector<std::string> ops;
  for (const Context::Layer& layer : context.layers({shape})) {
    ops.push_back(layer.op);
    EXPECT_NE(layer.kernel, "reference") << layer.op;
  }
  // The input as it is quantized, and the outputs.
  EXPECT_EQ(std::count(ops.begin(), ops.end(), "Reorder"), 4);
  const Tensor in = test::random_floats(shape, 1);
  const auto given = context.run({in.view()}), expected = run_reference(m.graph, {in.view()});
  // A quantized value may be a step off, and is one of a sum.
  EXPECT_LE(test::max_difference(given[0], expected[0]), 0.02);
  EXPECT_LE(test::max_difference(given[1], expected[1]), 0.0601);
}

TEST(LayoutChoice, OtherTypesBehindConvolutions) {
  // 16-bit and 64-bit elements are not reordered: they come out plain.
  for (const std::int64_t type : {10, 16, 7, 6, 9}) {
    edgeclip::test::GraphMaker m;
    const ValueId x = m.input("x", DType::f32, {2, 3, 5, 4});
    const ValueId y = m.node("Conv", {x, m.constant<float>({2, 3, 1, 1}, {1, 2, 3, -4, 5, 6})});
    const ValueId cast = m.node("Cast", {y}, {{"to", type}});
    m.graph.outputs = {m.node("Transpose", {m.node("Cast", {cast}, {{"to", std::int64_t{1}}})}), cast};
    const Session session(m.graph, {});
    const Tensor in = test::random_floats({2, 3, 5, 4}, 1);
    const auto given = Context(session).run({in.view()}), expected = run_reference(m.graph, {in.view()});
    EXPECT_LE(test::max_difference(given[0], expected[0]), 1.0) << type;  // a rounding apart at most
    EXPECT_EQ(given[1].dtype(), expected[1].dtype());
  }
}

TEST(BoundOutputs, AreWrittenWhereTheCallerWants) {
  const Graph graph = test::transformer_block(48, 4);
  const Session session(graph, {});
  Context context(session);
  const Tensor x = test::random_floats({3, 7, 48}, 5);
  const Tensor expected = context.run({x.view()}).at(0);
  std::vector<OutputView> views = context.output_views({x.view()});
  ASSERT_EQ(views.size(), 1u);
  Tensor mine(views[0].dtype, views[0].shape);
  views[0].data = mine.raw();
  context.run({x.view()}, views);
  EXPECT_EQ(test::max_difference(mine, expected), 0);
  views[0].shape = {3, 7, 47};
  EXPECT_NE(test::invalid_input_of([&] { context.run({x.view()}, views); }).find("there is memory for"),
            std::string::npos);
  EXPECT_NE(test::invalid_input_of([&] { context.run({x.view()}, std::vector<OutputView>{}); }), "");
}

TEST(MemoryPools, BoundAllContextsAndGiveBack) {
  SessionOptions options;
  const Graph graph = test::transformer_block(48, 4);
  const Tensor x = test::random_floats({8, 20, 48}, 5);
  std::int64_t one = 0;
  {
    const Session session(graph, {});
    const auto bytes = Context(session).arena_bytes({x.shape()});
    one = bytes.activations + bytes.scratch;
  }
  options.pool = std::make_shared<MemoryPool>(one * 2);
  const Session session(graph, options);
  Context a(session), b(session);
  a.run({x.view()});
  EXPECT_EQ(options.pool->used(), one);
  b.run({x.view()});
  {
    Context c(session);
    EXPECT_NE(test::invalid_input_of([&] { c.run({x.view()}); }).find("in use by other contexts"),
              std::string::npos);
  }
  EXPECT_EQ(options.pool->used(), 2 * one);
  EXPECT_EQ(options.pool->peak(), 2 * one);
  // After many small runs the large arena is given back.
  const Tensor small = test::random_floats({1, 2, 48}, 5);
  for (int i = 0; i < 2100; ++i) a.run({small.view()});
  EXPECT_LT(options.pool->used(), 2 * one);
}

}  // namespace
}  // namespace edgeclip::engine
