#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/graph_support.h"
#include "engine/ops/interpreter.h"
#include "engine/runtime/session.h"

/// edgeclip.MaskedSoftmax where no softmax is: readable and fast kernel alike.
namespace edgeclip::engine {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// By both kernels, which must agree on what is a number.
std::vector<float> masked_softmax(const Tensor& x, const Tensor& mask, bool safe) {
  test::GraphMaker m;
  Node node;
  node.name = "softmax";
  node.op = "MaskedSoftmax";
  node.domain = "edgeclip";
  node.opset = 1;
  node.attributes = {{"safe", std::int64_t{safe ? 1 : 0}}};
  node.inputs = {m.input("x", DType::f32, x.shape()), m.input("mask", DType::f32, mask.shape())};
  Value y;
  y.name = "y";
  node.outputs = {m.graph.add_value(y)};
  m.graph.outputs = node.outputs;
  m.graph.add_node(node);
  const std::vector<Tensor> want = run_reference(m.graph, {x.view(), mask.view()});
  const Session session(m.graph, {});
  Context context(session);
  const std::vector<Tensor> got = context.run({x.view(), mask.view()});
  const float *a = want[0].data<float>(), *b = got[0].data<float>();
  for (std::int64_t i = 0; i < x.elements(); ++i) {
    EXPECT_EQ(std::isnan(a[i]), std::isnan(b[i])) << i;
    if (!std::isnan(a[i])) {
      EXPECT_NEAR(a[i], b[i], 1e-6F) << i;
    }
  }
  return {a, a + x.elements()};
}

TEST(MaskedSoftmax, AddsTheMask) {
  const Tensor x = Tensor::from<float>({1, 1, 2}, {1, 2}), mask = Tensor::from<float>({1, 1, 2}, {1, -kInfinity});
  EXPECT_EQ(masked_softmax(x, mask, false), (std::vector<float>{1, 0}));
}

TEST(MaskedSoftmax, RowsWithoutSoftmax) {
  const Tensor x = Tensor::from<float>({4, 3}, {1, 2, 3, 1, kNan, 3, 1, kInfinity, 3, 0, 0, 0});
  const Tensor mask = Tensor::from<float>({4, 1}, {-kInfinity, 0, 0, 0});
  const float third = 1.0F / 3;
  const std::vector<float> safe = masked_softmax(x, mask, true);
  for (std::size_t i = 0; i < safe.size(); ++i) EXPECT_EQ(safe[i], i < 9 ? 0 : third) << i;
  const std::vector<float> plain = masked_softmax(x, mask, false);
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(std::isnan(plain[i]), i < 9) << i;
}

TEST(MaskedSoftmax, SoftmaxOfWhatIsNoNumberIsNone) {
  test::GraphMaker m;
  m.graph.outputs = {m.node("Softmax", {m.input("x", DType::f32, {3, 3})})};
  const Tensor x = Tensor::from<float>({3, 3}, {0, kNan, 0, kInfinity, 0, 0, 0, 0, 0});
  const Session session(m.graph, {});
  Context context(session);
  const std::vector<Tensor> y = context.run({x.view()});
  for (int i = 0; i < 9; ++i) EXPECT_EQ(std::isnan(y[0].data<float>()[i]), i < 6) << i;
}

TEST(MaskedSoftmax, RefusesAMaskThatWidens) {
  const Tensor x = Tensor::from<float>({1, 2}, {1, 2}), mask = Tensor::from<float>({3, 2}, {1, 1, 1, 1, 1, 1});
  EXPECT_THROW(masked_softmax(x, mask, false), InvalidInput);
}

}  // namespace
}  // namespace edgeclip::engine
