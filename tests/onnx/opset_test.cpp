#include "onnx/opset/lower.h"

#include <cstring>
#include <map>

#include "base/file.h"
#include "onnx/graph_builder.h"
#include "onnx/model.h"
#include "support/support.h"

namespace edgeclip::onnx_ir {
namespace {

/// x (batch, tokens, 4) through every operator that has another form in some set.
Model every_form(int opset) {
  GraphBuilder g("forms", opset);
  const Value x = g.input("x", DType::f32, {-1, -1, 4}, {"batch", "tokens"});
  const auto vector = [&](const std::string& name) { return g.initializer(name, Tensor(DType::f32, {4})); };
  Value y = x;
  {
    const GraphBuilder::Scope scope(g, "layers.0");
    y = g.gelu(g.layer_norm(y, vector("gamma"), vector("beta"), 1e-5f));
  }
  const Value length = g.shape_of(y, 1, 2);
  const Value first = g.slice(y, g.constant({0}, "start"), length, {1}, {-1, -1, 4});
  const Value sum = g.add(g.reduce("ReduceSum", first, {1}, false), g.reduce("ReduceMean", first, {1}, false));
  g.output(g.l2_normalize(sum), "y", {"batch"});
  return g.model();
}

std::map<std::string, int> ops_of(const Model& model) {
  std::map<std::string, int> ops;
  for (const auto& node : model.proto.graph().node()) ++ops[node.op_type()];
  return ops;
}

/// Whether the reduction's axes are an input.
bool axes_are_input(const Model& model, const std::string& op) {
  for (const auto& node : model.proto.graph().node())
    if (node.op_type() == op) return node.input_size() == 2 && attribute_of(node, "axes") == nullptr;
  return false;
}

class Opset : public testing::TestWithParam<int> {};

TEST_P(Opset, HasTheFormsOfItsTime) {
  const int opset = GetParam();
  const Model model = every_form(opset);
  EXPECT_EQ(check_model(model, "forms"), opset <= 17);
  EXPECT_EQ(model.proto.opset_import(0).version(), opset);
  auto ops = ops_of(model);
  EXPECT_EQ(ops["Gelu"], opset >= 20 ? 1 : 0);
  EXPECT_EQ(ops["Erf"], opset >= 20 ? 0 : 1);
  EXPECT_EQ(ops["LayerNormalization"], opset >= 17 ? 1 : 0);
  EXPECT_EQ(ops["Sqrt"], opset >= 17 ? 0 : 1);
  EXPECT_EQ(ops["Slice"], opset >= 15 ? 1 : 2);
  EXPECT_EQ(axes_are_input(model, "ReduceMean"), opset >= 18);
  EXPECT_EQ(axes_are_input(model, "ReduceL2"), opset >= 18);
  EXPECT_EQ(axes_are_input(model, "ReduceSum"), opset >= 13);
}

TEST_P(Opset, NamesAreUniqueLeadBackAndAreAllRead) {
  const Model model = every_form(GetParam());
  std::map<std::string, int> names, read;
  for (const auto& node : model.proto.graph().node()) {
    ++names[node.name()];
    for (const auto& input : node.input()) ++read[input];
    if (node.op_type() == "Erf" || node.op_type() == "Sqrt") {
      EXPECT_EQ(node.name().rfind("layers.0/", 0), 0u) << node.name();
    }
  }
  for (const auto& [name, count] : names) EXPECT_EQ(count, 1) << name;
  for (const auto& tensor : model.proto.graph().initializer()) EXPECT_TRUE(read.count(tensor.name())) << tensor.name();
}

INSTANTIATE_TEST_SUITE_P(All, Opset, testing::Range(12, 21));

TEST(WriteModel, WeightsComeFromWhereTheyLie) {
  const test::TempDir dir;
  GraphBuilder g("big");
  Tensor weight(DType::f32, {64, 128});
  for (std::int64_t i = 0; i < weight.elements(); ++i) weight.data<float>()[i] = static_cast<float>(i);
  const Value x = g.input("x", DType::f32, {-1, 64}, {"batch"});
  const Value inner = g.matmul(x, g.initializer("w", weight));
  g.output(g.matmul(inner, g.initializer("v", Tensor(DType::f32, {128, 8}))), "y", {"batch"});
  const Model model = g.model();
  EXPECT_EQ(model.weights.size(), 2u);
  EXPECT_EQ(model.weights.at("w").raw(), weight.raw());
  EXPECT_TRUE(check_model(model, "big"));

  const auto inside = write_model(dir / "inside.onnx", model);
  EXPECT_EQ(inside, std::filesystem::file_size(dir / "inside.onnx"));
  EXPECT_EQ(read_model(dir / "inside.onnx").SerializeAsString(), whole(model).SerializeAsString());
  EXPECT_EQ(read_file(dir / "inside.onnx").size(), whole(model).ByteSizeLong());

  const auto bytes = write_model(dir / "beside.onnx", model, ExternalData::kAlways);
  EXPECT_EQ(bytes, std::filesystem::file_size(dir / "beside.onnx") + std::filesystem::file_size(dir / "beside.onnx.data"));
  const auto beside = read_model(dir / "beside.onnx");
  for (const auto& proto : beside.graph().initializer()) {
    const Tensor tensor = tensor_from_proto(proto, dir.path(), proto.name());
    const Tensor& expected = model.weights.at(proto.name());
    EXPECT_EQ(tensor.shape(), expected.shape());
    EXPECT_EQ(std::memcmp(tensor.raw(), expected.raw(), expected.bytes()), 0) << proto.name();
  }
}

}  // namespace
}  // namespace edgeclip::onnx_ir
