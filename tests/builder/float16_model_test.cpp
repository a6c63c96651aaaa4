// Models of float16 and bfloat16: imported, folded, run, and compared in standard tests.
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <cmath>

#include "base/float16.h"
#include "base/npy.h"
#include "builder/conform.h"
#include "builder/import/onnx_import.h"
#include "builder/passes/passes.h"
#include "engine/graph/shape_inference.h"
#include "engine/graph_support.h"
#include "engine/ops/interpreter.h"
#include "engine/runtime/session.h"
#include "onnx/graph_builder.h"
#include "support/support.h"

namespace edgeclip::builder {
namespace {

using ::onnx::GraphProto;
using ::onnx::NodeProto;
using ::onnx::TensorProto;

/// y = x (2) * (w + c), of one 16-bit type: w an initializer in int32_data, c a Constant in raw_data.
struct Float16Model : ::testing::TestWithParam<DType> {
  test::TempDir folder;

  Tensor tensor(const std::vector<float>& values) const {
    Tensor result(GetParam(), {static_cast<std::int64_t>(values.size())});
    narrow(values.data(), GetParam(), result.raw(), result.elements());
    return result;
  }

  static NodeProto* add(GraphProto* graph, const char* op, std::vector<std::string> inputs,
                        const char* output) {
    NodeProto* node = graph->add_node();
    node->set_op_type(op);
    for (const auto& input : inputs) node->add_input(input);
    node->add_output(output);
    return node;
  }

  void describe(::onnx::ValueInfoProto* info, const char* name) const {
    info->set_name(name);
    auto* type = info->mutable_type()->mutable_tensor_type();
    type->set_elem_type(onnx_ir::dtype_to_onnx(GetParam()));
    type->mutable_shape()->add_dim()->set_dim_value(2);
  }

  void SetUp() override {
    ::onnx::ModelProto model;
    model.set_ir_version(8);
    model.add_opset_import()->set_version(17);
    GraphProto* graph = model.mutable_graph();
    describe(graph->add_input(), "x");
    describe(graph->add_output(), "y");
    TensorProto* w = graph->add_initializer();
    w->set_name("w");
    w->set_data_type(onnx_ir::dtype_to_onnx(GetParam()));
    w->add_dims(2);
    const Tensor weights = tensor({2, -0.5F});
    for (int i = 0; i < 2; ++i) w->add_int32_data(reinterpret_cast<const std::uint16_t*>(weights.raw())[i]);
    auto* value = add(graph, "Constant", {}, "c")->add_attribute();
    value->set_name("value");
    value->set_type(::onnx::AttributeProto::TENSOR);
    onnx_ir::tensor_to_proto(tensor({1, 1}).view(), "", value->mutable_t());
    add(graph, "Add", {"w", "c"}, "s");
    add(graph, "Mul", {"x", "s"}, "y");
    onnx_ir::write_model(folder / "model.onnx", model);
  }
};

TEST_P(Float16Model, IsFoldedAndRun) {
  engine::Graph graph = import_onnx(folder / "model.onnx");
  EXPECT_EQ(graph.value(graph.outputs[0]).dtype, GetParam());
  const Tensor x = tensor({3, 5}), want = tensor({9, 2.5F});
  EXPECT_EQ(difference(engine::run_reference(graph, {x.view()})[0], want, {0, 0}), "");
  optimize(graph);
  EXPECT_EQ(graph.nodes().size(), 3u);  // the Mul in float32, between two Casts
  const engine::Session session(std::move(graph), {});
  engine::Context context(session);
  EXPECT_EQ(difference(context.run({x.view()}).at(0), want, {0, 0}), "");
}

/// Models whose inputs and outputs stayed float32 when they were narrowed, and such as take integers.
TEST_P(Float16Model, InsideFloat32) {
  const std::int64_t narrow_type = onnx_ir::dtype_to_onnx(GetParam());
  test::GraphMaker m;
  const auto x = m.input("x", DType::f32, {2}), ids = m.input("ids", DType::i64, {2});
  const auto narrow = m.node("Cast", {x}, {{"to", narrow_type}});
  const auto counts = m.node("Cast", {ids}, {{"to", narrow_type}});
  const auto y = m.node("Mul", {m.node("Relu", {narrow}), counts});
  const auto both = m.graph.add_constant("both", tensor({2, 4}));  // read, and an output
  m.graph.outputs = {m.node("Cast", {y}, {{"to", std::int64_t{1}}}), m.node("Mul", {y, both}), both};
  engine::annotate_shapes(m.graph);
  const Tensor a = Tensor::from<float>({2}, {3, -5}), b = Tensor::from<std::int64_t>({2}, {2, 7});
  const auto want = engine::run_reference(m.graph, {a.view(), b.view()});
  optimize(m.graph);
  const engine::Session session(m.graph, {});
  engine::Context context(session);
  const auto got = context.run({a.view(), b.view()});
  ASSERT_EQ(got.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(difference(got[i], want[i], {0, 0}), "") << i;
  EXPECT_EQ(got[1].dtype(), GetParam());
}

TEST_P(Float16Model, IsATestWithArrays) {
  std::filesystem::create_directories(folder / "set_0");
  write_npy(folder / "set_0/in.x.npy", tensor({3, 5}));
  write_npy(folder / "set_0/out.y.npy", tensor({9, 2.5F}));
  const ConformCase right = run_conform_case(folder.path(), {});
  EXPECT_EQ(right.status, ConformStatus::kPassed) << right.reason;
  write_npy(folder / "set_0/out.y.npy", tensor({9, 2.75F}));
  EXPECT_EQ(run_conform_case(folder.path(), {}).status, ConformStatus::kFailed);
}

/// The default tolerance admits one unit in the last place of either type, and not four.
TEST_P(Float16Model, ToleranceFitsTheType) {
  const float unit = GetParam() == DType::f16 ? 0x1p-10F : 0x1p-7F;
  EXPECT_EQ(difference(tensor({1 + unit}), tensor({1}), {}), "");
  EXPECT_NE(difference(tensor({1 + 4 * unit}), tensor({1}), {}), "");
  EXPECT_NE(difference(tensor({1 + unit}), tensor({1}), {0, 0}), "");
  EXPECT_EQ(difference(tensor({NAN, INFINITY}), tensor({NAN, INFINITY}), {0, 0}), "");
}

INSTANTIATE_TEST_SUITE_P(Types, Float16Model, ::testing::Values(DType::f16, DType::bf16));

}  // namespace
}  // namespace edgeclip::builder
