#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/float16.h"
#include "base/rng.h"
#include "base/safetensors.h"
#include "engine/graph_support.h"
#include "engine/node_support.h"
#include "engine/ops/interpreter.h"
#include "engine/runtime/session.h"
#include "engine/symbolic_support.h"
#include "support/support.h"

/// edgeclip.TokenMerge: the readable kernel by hand, the fast one against it.
namespace edgeclip::engine {
namespace {

Tensor random(const Shape& shape, std::uint64_t seed) {
  Tensor t(DType::f32, shape);
  Rng rng(seed);
  for (std::int64_t i = 0; i < t.elements(); ++i) t.data<float>()[i] = static_cast<float>(rng.normal());
  return t;
}

struct Merged {
  Tensor y, sizes;
};

Graph graph_of(const Tensor& x, const Tensor& keys, const Tensor& sizes, test::Attributes attributes) {
  edgeclip::test::GraphMaker m;
  Node node;
  node.name = "merge";
  node.op = "TokenMerge";
  node.domain = "edgeclip";
  node.opset = 1;
  node.attributes = std::move(attributes);
  node.inputs = {m.input("x", DType::f32, x.shape()), m.input("keys", DType::f32, keys.shape()),
                 m.input("sizes", DType::f32, sizes.shape())};
  for (const char* name : {"y", "merged sizes"}) {
    Value value;
    value.name = name;
    node.outputs.push_back(m.graph.add_value(value));
  }
  m.graph.outputs = node.outputs;
  m.graph.add_node(node);
  return m.graph;
}

/// By both kernels, which must agree.
Merged merged(const Tensor& x, const Tensor& keys, const Tensor& sizes, std::int64_t count, std::int64_t heads = 1,
              bool joined = false) {
  const Graph graph = graph_of(x, keys, sizes,
                               {{"num_heads", heads}, {"count", count}, {"joined", std::int64_t{joined ? 1 : 0}}});
  const std::vector<TensorView> views = {x.view(), keys.view(), sizes.view()};
  const std::vector<Tensor> want = run_reference(graph, views);
  for (const int threads : {1, 3}) {
    SessionOptions options;
    options.threads = threads;
    const Session session(graph, options);
    Context context(session);
    EXPECT_EQ(context.layers({x.shape(), keys.shape(), sizes.shape()})[0].kernel, "loop:token_merge");
    const std::vector<Tensor> got = context.run(views);
    for (std::size_t k = 0; k < 2; ++k) {
      EXPECT_EQ(got[k].shape(), want[k].shape());
      for (std::int64_t i = 0; i < want[k].elements(); ++i)
        EXPECT_NEAR(want[k].data<float>()[i], got[k].data<float>()[i], 2e-6F) << k << " " << i;
    }
  }
  return {want[0], want[1]};
}

std::vector<float> values(const Tensor& t) { return {t.data<float>(), t.data<float>() + t.elements()}; }
Tensor ones(std::int64_t batch, std::int64_t tokens) {
  return Tensor::from<float>({batch, tokens, 1}, std::vector<float>(static_cast<std::size_t>(batch * tokens), 1));
}

TEST(TokenMerge, TheMostAlikeBecomeOne) {
  // Sources 0, 2, 4, 6 and targets 1, 3, 5: 4 looks along 3, 6 nearly along 5, 2 along none, and 0 along 1, but stays.
  const Tensor x = Tensor::from<float>({1, 7, 1}, {10, 20, 30, 40, 50, 60, 70});
  const Tensor keys = Tensor::from<float>({1, 7, 2}, {1, 0, 2, 0, -1, 1, 0, 3, 0, 1, 1, 1, 2, 1});
  const Merged one = merged(x, keys, ones(1, 7), 1);
  EXPECT_EQ(values(one.y), (std::vector<float>{10, 30, 70, 20, 45, 60}));
  EXPECT_EQ(values(one.sizes), (std::vector<float>{1, 1, 1, 1, 2, 1}));
  const Merged two = merged(x, keys, ones(1, 7), 2);
  EXPECT_EQ(values(two.y), (std::vector<float>{10, 30, 20, 45, 65}));
  EXPECT_EQ(values(two.sizes), (std::vector<float>{1, 1, 1, 2, 2}));
}

TEST(TokenMerge, SizesAreWeights) {
  const Tensor x = Tensor::from<float>({1, 4, 2}, {1, 2, 0, 8, 6, 5, 4, 4});
  const Tensor keys = Tensor::from<float>({1, 4, 1}, {-1, 1, 1, 1});  // the first of equal targets
  const Merged all = merged(x, keys, Tensor::from<float>({1, 4, 1}, {1, 1, 3, 5}), 1);
  EXPECT_EQ(values(all.y), (std::vector<float>{1, 2, 4.5, 5.75, 4, 4}));
  EXPECT_EQ(values(all.sizes), (std::vector<float>{1, 4, 5}));
}

TEST(TokenMerge, OfEqualSourcesThoseBehindAreMerged) {
  const Tensor x = Tensor::from<float>({1, 6, 1}, {1, 2, 3, 4, 5, 6});
  const Merged all = merged(x, Tensor::from<float>({1, 6, 1}, {1, 1, 1, 1, 1, 1}), ones(1, 6), 1);
  EXPECT_EQ(values(all.y), (std::vector<float>{1, 3, 3.5, 4, 6}));
}

TEST(TokenMerge, KeysAreTheMeanOfTheHeads) {
  // By the first head alone source 2 would be nearest to target 1, by both it is to target 3.
  const Tensor x = Tensor::from<float>({1, 4, 1}, {1, 2, 3, 4});
  const Tensor keys = Tensor::from<float>({1, 4, 4}, {0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 0, 9, 1, 0, 0, 8});
  EXPECT_EQ(values(merged(x, keys, ones(1, 4), 1, 2).y), (std::vector<float>{1, 2, 3.5}));
}

TEST(TokenMerge, ManySizes) {
  for (const auto& [tokens, count] :
       {std::pair{3, 1}, {4, 1}, {5, 2}, {33, 16}, {50, 8}, {73, 20}, {197, 16}, {130, 64}}) {
    for (const std::int64_t heads : {1, 3}) {
      const Tensor x = random({2, tokens, 20}, 1), keys = random({2, tokens, heads * 17}, 2);
      Tensor sizes(DType::f32, {2, tokens, 1});
      for (std::int64_t i = 0; i < sizes.elements(); ++i) sizes.data<float>()[i] = static_cast<float>(1 + i % 4);
      const Merged all = merged(x, keys, sizes, count, heads);
      EXPECT_EQ(all.y.shape(), (Shape{2, tokens - count, 20}));
      double before = 0, after = 0;
      for (const float size : values(sizes)) before += size;
      for (const float size : values(all.sizes)) after += size;
      EXPECT_EQ(before, after);
    }
  }
}

TEST(TokenMerge, EqualsThePaper) {
  for (const auto& [name, count, heads] : {std::tuple{"odd", 3, 2}, {"even", 6, 3}, {"most", 16, 1}}) {
    SCOPED_TRACE(name);
    const SafetensorsFile golden(edgeclip::test::golden(std::string("token_merge/") + name + ".safetensors"));
    const Merged all = merged(golden.get("x"), golden.get("keys"), golden.get("sizes"), count, heads);
    const Tensor y = golden.get("y");
    ASSERT_EQ(all.y.shape(), y.shape());
    for (std::int64_t i = 0; i < y.elements(); ++i) EXPECT_NEAR(all.y.data<float>()[i], y.data<float>()[i], 1e-5F) << i;
    EXPECT_EQ(values(all.sizes), values(golden.get("merged_sizes")));
  }
}

TEST(TokenMerge, KeysBesideTheirQueriesAndValues) {
  const Tensor x = random({2, 9, 6}, 3), joined = random({2, 9, 3 * 8}, 4);
  Tensor keys(DType::f32, {2, 9, 8});
  for (std::int64_t t = 0; t < 18; ++t)
    for (std::int64_t k = 0; k < 8; ++k) keys.data<float>()[t * 8 + k] = joined.data<float>()[t * 24 + 8 + k];
  EXPECT_EQ(values(merged(x, joined, ones(2, 9), 3, 2, true).y), values(merged(x, keys, ones(2, 9), 3, 2).y));
}

TEST(TokenMerge, WhatIsNoNumberHarmsNobodyElse) {
  Tensor x = random({2, 9, 6}, 5), keys = random({2, 9, 8}, 6);
  for (std::int64_t k = 0; k < 8; ++k) keys.data<float>()[k + 16] = std::numeric_limits<float>::quiet_NaN();
  const Graph graph = graph_of(x, keys, ones(2, 9), {{"num_heads", std::int64_t{2}}, {"count", std::int64_t{3}}});
  const Session session(graph, {});
  Context context(session);
  const Tensor sizes = ones(2, 9), got = context.run({x.view(), keys.view(), sizes.view()})[0];
  const std::int64_t image = got.elements() / 2;
  const Merged alone = merged(x, random({2, 9, 8}, 6), ones(2, 9), 3, 2);
  EXPECT_EQ(got.shape(), alone.y.shape());
  // Of the image with the NaN, the fast kernel and the reference decide alike.
  const Tensor reference = run_reference(graph, {x.view(), keys.view(), sizes.view()}).at(0);
  for (std::int64_t i = 0; i < image; ++i) EXPECT_NEAR(got.data<float>()[i], reference.data<float>()[i], 2e-6F);
  for (std::int64_t i = image; i < 2 * image; ++i) EXPECT_NEAR(got.data<float>()[i], alone.y.data<float>()[i], 2e-6F);
}

/// The fast kernel's and the reference's first result, which agree where they are no numbers, too.
std::vector<float> agreed(const Graph& graph, const std::vector<TensorView>& inputs) {
  const Session session(graph, {});
  Context context(session);
  const std::vector<float> got = values(context.run(inputs).at(0)), want = values(run_reference(graph, inputs).at(0));
  EXPECT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::isfinite(want[i]))
      EXPECT_NEAR(got[i], want[i], 2e-6F) << i;
    else
      EXPECT_TRUE(std::isnan(want[i]) ? std::isnan(got[i]) : got[i] == want[i]) << i << ": " << got[i] << ", " << want[i];
  }
  return got;
}

test::Attributes attributes_of(std::int64_t count, float epsilon = 0) {
  return {{"num_heads", std::int64_t{1}}, {"count", count}, {"epsilon", epsilon}};
}

TEST(TokenMerge, InfiniteValuesStayInTheRowThatHoldsThem) {
  const float infinity = std::numeric_limits<float>::infinity();
  const Tensor keys = Tensor::from<float>({1, 7, 2}, {1, 0, 2, 0, -1, 1, 0, 3, 0, 1, 1, 1, 2, 1}), sizes = ones(1, 7);
  const auto rows = [&](std::vector<float> x) {
    const Tensor tokens = Tensor::from<float>({1, 7, 1}, x);
    return agreed(graph_of(tokens, keys, sizes, attributes_of(1)), {tokens.view(), keys.view(), sizes.view()});
  };
  // As TheMostAlikeBecomeOne, where row 4 of the result is the mean of tokens 3 and 4.
  EXPECT_EQ(rows({10, 20, infinity, 40, 50, -infinity, 70}), (std::vector<float>{10, infinity, 70, 20, 45, -infinity}));
  EXPECT_EQ(rows({10, 20, 30, 40, infinity, 60, 70}), (std::vector<float>{10, 30, 70, 20, infinity, 60}));
  EXPECT_TRUE(std::isnan(rows({10, 20, 30, -infinity, infinity, 60, 70})[4]));
}

// Its unit key is no number, and that counts as larger than every product.
TEST(TokenMerge, AnInfiniteKeyIsTheNearest) {
  const float infinity = std::numeric_limits<float>::infinity();
  const Tensor x = Tensor::from<float>({1, 6, 1}, {1, 2, 3, 4, 5, 6}), sizes = ones(1, 6);
  const Tensor source = Tensor::from<float>({1, 6, 2}, {1, 0, 1, 0, infinity, 1, 0, 1, 0, 1, 1, 1});
  EXPECT_EQ(agreed(graph_of(x, source, sizes, attributes_of(1)), {x.view(), source.view(), sizes.view()}),
            (std::vector<float>{1, 5, 2.5, 4, 6}));
  const Tensor target = Tensor::from<float>({1, 6, 2}, {1, 0, 1, 0, 1, 1, -infinity, 1, 0, 1, 1, 1});
  EXPECT_EQ(agreed(graph_of(x, target, sizes, attributes_of(2)), {x.view(), target.view(), sizes.view()}),
            (std::vector<float>{1, 2, 4, 6}));
}

TEST(TokenMerge, AKeyOfZerosIsLikeNoneButForEpsilon) {
  // Source 2 is all zeros, and source 4 looks away from every target.
  const Tensor x = Tensor::from<float>({1, 6, 1}, {1, 2, 3, 4, 5, 6}), sizes = ones(1, 6);
  const Tensor keys = Tensor::from<float>({1, 6, 2}, {1, 0, 1, 0, 0, 0, 0, 1, -1, -1, 1, 1});
  const std::vector<TensorView> inputs = {x.view(), keys.view(), sizes.view()};
  // 0 is a likeness like others, the same to all targets: the first.
  EXPECT_EQ(agreed(graph_of(x, keys, sizes, attributes_of(1, 1e-12F)), inputs), (std::vector<float>{1, 5, 2.5, 4, 6}));
  // Without epsilon 0 / 0 is no number, the nearest to what comes first.
  EXPECT_EQ(agreed(graph_of(x, keys, sizes, attributes_of(1)), inputs), (std::vector<float>{1, 5, 2.5, 4, 6}));
  const Tensor none(DType::f32, {1, 6, 2});
  EXPECT_EQ(agreed(graph_of(x, none, sizes, attributes_of(2, 1e-12F)), {x.view(), none.view(), sizes.view()}),
            (std::vector<float>{1, 10 / 3.0F, 4, 6}));
}

template <class T>
Tensor narrowed(const Tensor& wide, DType dtype) {
  Tensor out(dtype, wide.shape());
  for (std::int64_t i = 0; i < wide.elements(); ++i) out.data<T>()[i] = T(wide.data<float>()[i]);
  return out;
}
template <class T>
Tensor widened(const Tensor& narrow) {
  Tensor out(DType::f32, narrow.shape());
  for (std::int64_t i = 0; i < narrow.elements(); ++i) out.data<float>()[i] = static_cast<float>(narrow.data<T>()[i]);
  return out;
}

template <class T>
void expect_rounded_once(DType dtype) {
  std::vector<Tensor> in = {random({2, 21, 12}, 7), random({2, 21, 8}, 8), ones(2, 21)};
  for (std::int64_t i = 0; i < in[2].elements(); ++i) in[2].data<float>()[i] = static_cast<float>(1 + i % 3);
  Graph graph = graph_of(in[0], in[1], in[2], attributes_of(6, 1e-12F));
  std::vector<Tensor> narrow, wide;
  std::vector<TensorView> narrow_views, wide_views;
  for (const Tensor& tensor : in) narrow.push_back(narrowed<T>(tensor, dtype));
  for (const Tensor& tensor : narrow) wide.push_back(widened<T>(tensor)), narrow_views.push_back(tensor.view());
  for (const Tensor& tensor : wide) wide_views.push_back(tensor.view());
  const std::vector<Tensor> want = run_reference(graph, wide_views);
  for (const ValueId id : graph.inputs) graph.value(id).dtype = dtype;
  const Session session(graph, {});
  Context context(session);
  const std::vector<Tensor> got = context.run(narrow_views);
  for (std::size_t k = 0; k < 2; ++k) {
    ASSERT_EQ(got[k].dtype(), dtype);
    ASSERT_EQ(got[k].shape(), want[k].shape());
    EXPECT_EQ(values(widened<T>(got[k])), values(widened<T>(narrowed<T>(want[k], dtype)))) << k;
  }
}

TEST(TokenMerge, Of16BitsIsComputedAsFloat32AndRoundedOnce) {
  expect_rounded_once<Half>(DType::f16);
  expect_rounded_once<BFloat16>(DType::bf16);
}

TEST(TokenMerge, RefusesWhatDoesNotFit) {
  const auto refused = [](const Shape& x, const Shape& keys, const Shape& sizes, std::int64_t heads, std::int64_t count) {
    Node node = test::node_of("TokenMerge", {}, {{"num_heads", heads}, {"count", count}}, 1, 1);
    node.domain = "edgeclip";
    const Tensor a(DType::f32, x), b(DType::f32, keys), c(DType::f32, sizes);
    node.inputs = {0, 1, 2};
    node.outputs = {3, 4};
    try {
      evaluate_node(node, {a.view(), b.view(), c.view()});
    } catch (const InvalidInput& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_EQ(refused({1, 5, 4}, {1, 5, 6}, {1, 5, 1}, 2, 2), "");
  const auto says = [](const std::string& message, const std::string& part) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  says(refused({1, 5, 4}, {1, 5, 6}, {1, 5, 1}, 2, 3), "count is 3: of 5 tokens at most 2 can be merged");
  says(refused({1, 5, 4}, {1, 5, 6}, {1, 5, 1}, 2, 0), "count is 0");
  says(refused({1, 1, 4}, {1, 1, 6}, {1, 1, 1}, 2, 1), "of 1 tokens at most 0");
  says(refused({1, 0, 4}, {1, 0, 6}, {1, 0, 1}, 2, 1), "of 0 tokens at most 0");
  says(refused({1, 5, 4}, {1, 5, 6}, {1, 5, 1}, 4, 2), "num_heads is 4");
  says(refused({1, 5, 4}, {1, 4, 6}, {1, 5, 1}, 2, 2), "do not fit");
  says(refused({1, 5, 4}, {1, 5, 6}, {1, 5}, 2, 2), "do not fit");
  says(refused({5, 4}, {1, 5, 6}, {1, 5, 1}, 2, 2), "3 dimensions");
}

TEST(TokenMerge, ShapesAreKnownInSymbols) {
  edgeclip::test::GraphMaker m;
  Node node;
  node.name = "merge";
  node.op = "TokenMerge";
  node.domain = "edgeclip";
  node.opset = 1;
  node.attributes = {{"num_heads", std::int64_t{1}}, {"count", std::int64_t{3}}};
  node.inputs = {m.input("x", DType::f32, {-1, -1, 4}, {"b", "t", ""}), m.input("k", DType::f32, {-1, -1, 4}, {"b", "t", ""}),
                 m.input("s", DType::f32, {-1, -1, 1}, {"b", "t", ""})};
  for (const char* name : {"y", "sizes"}) {
    Value value;
    value.name = name;
    node.outputs.push_back(m.graph.add_value(value));
  }
  m.graph.outputs = node.outputs;
  m.graph.add_node(node);
  const auto facts = infer_symbolic(m.graph);
  EXPECT_EQ(shape_text(*facts.values[static_cast<std::size_t>(node.outputs[0])].shape), "(b, t-3, 4)");
  EXPECT_EQ(shape_text(*facts.values[static_cast<std::size_t>(node.outputs[1])].shape), "(b, t-3, 1)");
  EXPECT_GE(edgeclip::test::check_symbolic(m.graph, 60, 20).runs, 10);
}

}  // namespace
}  // namespace edgeclip::engine
