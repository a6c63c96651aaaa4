#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/rng.h"
#include "engine/graph_support.h"
#include "engine/node_support.h"
#include "engine/ops/interpreter.h"
#include "engine/runtime/session.h"

/// edgeclip.FusedAttention: the readable kernel against the chain of ONNX operators, the fast one against it.
namespace edgeclip::engine {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

Tensor random(const Shape& shape, std::uint64_t seed) {
  Tensor t(DType::f32, shape);
  Rng rng(seed);
  for (std::int64_t i = 0; i < t.elements(); ++i) t.data<float>()[i] = static_cast<float>(rng.normal());
  return t;
}

/// A graph whose only node is this one; tensors that are not defined are left out.
Graph graph_of(const std::vector<Tensor>& inputs, test::Attributes attributes,
               std::vector<TensorView>& views) {
  edgeclip::test::GraphMaker m;
  Node node;
  node.name = "attention";
  node.op = "FusedAttention";
  node.domain = "edgeclip";
  node.opset = 1;
  node.attributes = std::move(attributes);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    node.inputs.push_back(inputs[i].defined() ? m.input(std::to_string(i), DType::f32, inputs[i].shape())
                                              : kNoValue);
    if (inputs[i].defined()) views.push_back(inputs[i].view());
  }
  Value y;
  y.name = "y";
  node.outputs = {m.graph.add_value(y)};
  m.graph.outputs = node.outputs;
  m.graph.add_node(node);
  return m.graph;
}

/// By both kernels, which must agree.
Tensor attention(const std::vector<Tensor>& inputs, test::Attributes attributes,
                 const std::string& implementation = "attention:") {
  attributes["num_heads"] = std::int64_t{2};
  std::vector<TensorView> views;
  const Graph graph = graph_of(inputs, std::move(attributes), views);
  const Tensor want = run_reference(graph, views)[0];
  const Session session(graph, {});
  Context context(session);
  std::vector<Shape> shapes;
  for (const TensorView& view : views) shapes.push_back(view.shape);
  EXPECT_EQ(context.layers(shapes)[0].kernel.rfind(implementation, 0), 0U)
      << context.layers(shapes)[0].kernel;
  const Tensor got = context.run(views)[0];
  EXPECT_EQ(got.shape(), want.shape());
  for (std::int64_t i = 0; i < want.elements(); ++i) {
    EXPECT_EQ(std::isnan(want.data<float>()[i]), std::isnan(got.data<float>()[i])) << i;
    if (!std::isnan(want.data<float>()[i])) {
      EXPECT_NEAR(want.data<float>()[i], got.data<float>()[i], 5e-6F) << i;
    }
  }
  return want;
}

/// softmax(q kᵀ / 4 + mask) v by ONNX's operators.
Tensor by_chain(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask) {
  edgeclip::test::GraphMaker m;
  const auto heads = [&](const char* name, const Tensor& x, std::vector<std::int64_t> perm) {
    const auto shape = m.constant<std::int64_t>({4}, {x.dim(0), x.dim(1), 2, x.dim(2) / 2});
    return m.node("Transpose", {m.node("Reshape", {m.input(name, DType::f32, x.shape()), shape})},
                  {{"perm", std::move(perm)}});
  };
  const auto qh = heads("q", q, {0, 2, 1, 3}), kh = heads("k", k, {0, 2, 3, 1}),
             vh = heads("v", v, {0, 2, 1, 3});
  const auto scores = m.node("Mul", {m.node("MatMul", {qh, kh}), m.scalar(0.25F)});
  const auto weights = m.node("Softmax", {m.node("Add", {scores, m.input("mask", DType::f32, mask.shape())})},
                              {{"axis", std::int64_t{-1}}});
  const auto y = m.node("Transpose", {m.node("MatMul", {weights, vh})},
                        {{"perm", std::vector<std::int64_t>{0, 2, 1, 3}}});
  m.graph.outputs = {m.node("Reshape", {y, m.constant<std::int64_t>({3}, {q.dim(0), q.dim(1), q.dim(2)})})};
  return run_reference(m.graph, {q.view(), k.view(), v.view(), mask.view()})[0];
}

void expect_near(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.shape(), b.shape());
  for (std::int64_t i = 0; i < a.elements(); ++i)
    EXPECT_NEAR(a.data<float>()[i], b.data<float>()[i], 2e-6F) << i;
}

TEST(FusedAttention, IsTheChainOfOperators) {
  const Tensor q = random({2, 9, 32}, 1), k = random({2, 13, 32}, 2), v = random({2, 13, 32}, 3);
  for (const Shape& shape :
       {Shape{2, 2, 9, 13}, Shape{2, 1, 1, 13}, Shape{9, 13}, Shape{13}, Shape{1, 1, 9, 1}}) {
    const Tensor mask = random(shape, 4);
    expect_near(attention({q, k, v, mask}, {{"scale", 0.25F}}), by_chain(q, k, v, mask));
  }
}

TEST(FusedAttention, JoinedOperandIsItsThreeParts) {
  const Tensor qkv = random({2, 21, 96}, 5);
  std::vector<Tensor> parts;
  for (std::int64_t part = 0; part < 3; ++part) {
    parts.emplace_back(DType::f32, Shape{2, 21, 32});
    for (std::int64_t row = 0; row < 42; ++row)
      std::copy_n(qkv.data<float>() + row * 96 + part * 32, 32, parts.back().data<float>() + row * 32);
  }
  expect_near(attention({qkv}, {{"scale", 0.25F}}), attention(parts, {{"scale", 0.25F}}));
  const Tensor mask = random({21, 21}, 6), none;
  expect_near(attention({qkv, none, none, mask}, {}), attention({parts[0], parts[1], parts[2], mask}, {}));
}

TEST(FusedAttention, CausalIsAMask) {
  const Tensor qkv = random({1, 60, 96}, 7), none;
  Tensor mask(DType::f32, {60, 60});
  for (int i = 0; i < 60; ++i)
    for (int j = 0; j < 60; ++j) mask.data<float>()[i * 60 + j] = j > i ? -kInfinity : 0.0F;
  expect_near(attention({qkv}, {{"causal", std::int64_t{1}}}), attention({qkv, none, none, mask}, {}));
}

TEST(FusedAttention, RowsWithoutSoftmax) {
  Tensor qkv = random({1, 4, 96}, 8), none;
  qkv.data<float>()[2 * 96] = std::numeric_limits<float>::quiet_NaN();
  const Tensor mask = Tensor::from<float>({4, 1}, {0, -kInfinity, 0, 0});
  for (const std::int64_t safe : {0, 1, 2}) {
    const Tensor y = attention({qkv, none, none, mask}, {{"safe", safe}});
    EXPECT_EQ(std::isnan(y.data<float>()[32]), safe == 0);
    EXPECT_EQ(std::isnan(y.data<float>()[64]), safe != 1);
    if (safe != 0) {
      EXPECT_EQ(y.data<float>()[32], 0);
    }
  }
}

TEST(FusedAttention, OtherHeadSizesAreLeftToTheReference) {
  attention({random({1, 3, 60}, 9)}, {}, "reference");
}

TEST(FusedAttention, RefusesWhatDoesNotFit) {
  const auto refusal = [](const std::vector<Shape>& shapes, std::int64_t heads) {
    Node node = test::node_of("FusedAttention", {}, {{"num_heads", heads}}, 1, 1);
    node.domain = "edgeclip";
    Inputs views;
    for (const Shape& shape : shapes) {
      node.inputs.push_back(static_cast<ValueId>(node.inputs.size()));
      views.push_back({DType::f32, shape, nullptr});
    }
    return test::refusal_of([&] {
      check_node(node);
      ShapeContext context{node, views, {}, {}};
      infer_node(context);
    });
  };
  EXPECT_NE(refusal({{2, 3}}, 1).find("3 dimensions"), std::string::npos);
  EXPECT_NE(refusal({{1, 3, 32}, {1, 3, 32}}, 1).find("belong together"), std::string::npos);
  EXPECT_NE(refusal({{1, 3, 32}, {1, 3, 16}, {1, 3, 16}}, 1).find("do not fit"), std::string::npos);
  EXPECT_NE(refusal({{1, 3, 32}, {1, 4, 32}, {1, 5, 32}}, 1).find("do not fit"), std::string::npos);
  EXPECT_NE(refusal({{1, 3, 32}}, 1).find("num_heads"), std::string::npos);
  EXPECT_NE(refusal({{1, 3, 48}}, 5).find("num_heads"), std::string::npos);
  EXPECT_NE(refusal({{1, 3, 32}, {1, 3, 32}, {1, 3, 32}, {4, 3}}, 1).find("mask"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip::engine
