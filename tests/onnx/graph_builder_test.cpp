#include "onnx/graph_builder.h"
#include "onnx/model.h"

#include <set>

#include "support/support.h"

namespace edgeclip::onnx_ir {
namespace {

using test::invalid_input_of;

Value weight(GraphBuilder& g, const std::string& name, const Shape& shape) {
  return g.initializer(name, Tensor(DType::f32, shape));
}

TEST(GraphBuilder, ShapesFollowTheOperators) {
  GraphBuilder g("test");
  const Value x = g.input("x", DType::f32, {-1, -1, 6}, {"batch", "tokens"});
  EXPECT_EQ(g.matmul(x, weight(g, "w", {6, 10})).shape, (Shape{-1, -1, 10}));
  EXPECT_EQ(g.add(x, weight(g, "b", {6})).shape, (Shape{-1, -1, 6}));
  EXPECT_EQ(g.add(x, weight(g, "p", {7, 6})).shape, (Shape{-1, 7, 6}));
  const Value heads = g.reshape(x, {0, 0, 2, 3});
  EXPECT_EQ(heads.shape, (Shape{-1, -1, 2, 3}));
  EXPECT_EQ(g.transpose(heads, {0, 2, 1, 3}).shape, (Shape{-1, 2, -1, 3}));
  EXPECT_EQ(g.concat({x, x}, 2).shape, (Shape{-1, -1, 12}));
  EXPECT_EQ(g.concat({x, weight(g, "c", {1, 4, 6})}, 1).shape, (Shape{1, -1, 6}));
  const Value image = g.input("image", DType::f32, {-1, 5, 2, 4}, {"batch"});
  EXPECT_EQ(g.reshape(image, {0, 5, -1}).shape, (Shape{-1, 5, 8}));
  EXPECT_EQ(g.gather(image, g.initializer("i", Tensor::from<std::int64_t>({}, {0})), 1).shape,
            (Shape{-1, 2, 4}));
  EXPECT_EQ(g.shape_of(image, 1, 3).shape, (Shape{2}));
  EXPECT_THROW(g.matmul(x, weight(g, "wrong", {5, 10})), InternalError);
  EXPECT_THROW(g.add(x, weight(g, "wrong2", {5})), InternalError);
  EXPECT_THROW(g.reshape(image, {0, 5, 3, -1}), InternalError);
}

TEST(GraphBuilder, NamesAreScopedAndUnique) {
  GraphBuilder g("test");
  const Value x = g.input("x", DType::f32, {-1, 4}, {"batch"});
  Value y = x;
  for (int i = 0; i < 2; ++i) {
    const GraphBuilder::Scope outer(g, "encoder");
    const GraphBuilder::Scope inner(g, "mlp");
    y = g.sigmoid(g.sigmoid(y));
  }
  g.output(y, "y", {"batch"});
  std::set<std::string> names;
  const Model model = g.model();
  for (const auto& node : model.proto.graph().node()) names.insert(node.name());
  EXPECT_EQ(names, (std::set<std::string>{"encoder/mlp/Sigmoid", "encoder/mlp/Sigmoid_1",
                                          "encoder/mlp/Sigmoid_2", "encoder/mlp/Sigmoid_3"}));
  EXPECT_EQ(model.proto.graph().node(3).output(0), "y");
  EXPECT_THROW(g.input("x", DType::f32, {1}, {}), InternalError);
}

TEST(GraphBuilder, ModelsPassTheChecker) {
  GraphBuilder g("test");
  const Value x = g.input("x", DType::f32, {-1, 4}, {"batch"});
  const Value normed = g.layer_norm(x, weight(g, "gamma", {4}), weight(g, "beta", {4}), 1e-5f);
  const Value soft = g.softmax(g.gelu(g.div(normed, g.scalar(2, "two"))), -1);
  g.output(g.l2_normalize(g.mul(soft, x)), "y", {"batch"});
  g.set_metadata("key", "value");
  const Model model = g.model();
  EXPECT_TRUE(check_model(model, "model"));
  EXPECT_EQ(model.proto.ir_version(), 8);
  EXPECT_EQ(model.proto.opset_import(0).version(), 17);
  EXPECT_EQ(model.proto.metadata_props(0).value(), "value");
  EXPECT_EQ(model.proto.graph().input(0).type().tensor_type().shape().dim(0).dim_param(), "batch");
}

TEST(GraphBuilder, RefusesOtherOpsets) {
  EXPECT_NE(invalid_input_of([] { GraphBuilder g("test", 11); }).find("opset 11: ONNX models are written for opsets 12 to 20"),
            std::string::npos);
  EXPECT_NE(invalid_input_of([] { GraphBuilder g("test", 21); }).find("opset 21"), std::string::npos);
}

TEST(CheckModel, NamesWhatIsWrongInOneLine) {
  GraphBuilder g("test");
  const Value x = g.input("x", DType::f32, {-1, 4}, {"batch"});
  g.output(g.node("Sigmoidal", {x}, DType::f32, x.shape), "y", {"batch"});
  EXPECT_NE(invalid_input_of([&] { check_model(g.model(), "m.onnx"); }).find("Sigmoidal"), std::string::npos);

  GraphBuilder h("test");  // shapes that contradict each other: strict inference
  const Value a = h.input("a", DType::f32, {2, 4}, {});
  h.output(h.node("MatMul", {a, weight(h, "w", {5, 3})}, DType::f32, {2, 3}), "y", {});
  EXPECT_NE(invalid_input_of([&] { check_model(h.model(), "m.onnx"); }).find("m.onnx"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip::onnx_ir
