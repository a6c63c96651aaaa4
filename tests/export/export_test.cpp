#include "export/export.h"

#include <onnx/onnx_pb.h>

#include <map>
#include <set>

#include "onnx/graph_builder.h"
#include "small_export.h"

namespace edgeclip {
namespace {

using namespace test;
TEST(Export, WritesACheckedBundle) {
  const TempDir dir;
  const Json report = export_to(dir, small_checkpoint("quick_gelu", 24));
  const Bundle bundle = open_bundle(dir / "bundle");
  EXPECT_EQ(bundle.card.embedding_dim, 12);
  EXPECT_EQ(bundle.card.image.height, 24);
  EXPECT_EQ(bundle.card.image.width, 16);
  EXPECT_EQ(bundle.card.context_length, 24);
  EXPECT_EQ(bundle.precision, "fp32");
  EXPECT_EQ(bundle.provenance.back()["command"], "export");
  EXPECT_EQ(bundle.provenance.size(), 2u);
  EXPECT_NO_THROW(load_tokenizer(bundle.tokenizer().string()));
  const SafetensorsFile reference(bundle.reference());
  EXPECT_EQ(reference.names().size(), 2u * (3 + 9));
  EXPECT_EQ(reference.get("image/b3/pixel_values").shape(), (Shape{3, 3, 24, 16}));
  EXPECT_EQ(reference.get("text/b8_t20/input_ids").shape(), (Shape{8, 20}));
  EXPECT_EQ(reference.get("text/b8_t20/input_ids").dtype(), DType::i64);
  EXPECT_EQ(reference.get("text/b1_t24/text_embeds").shape(), (Shape{1, 12}));
  EXPECT_EQ(report["reference_cases"], 12);

  for (const auto& file : {bundle.image_onnx(), bundle.text_onnx()})
    onnx_ir::check_model(onnx_ir::read_model(file), file.string());
  const auto text = onnx_ir::read_model(bundle.text_onnx());
  EXPECT_EQ(report["text"]["nodes"], text.graph().node_size());
  EXPECT_EQ(text.graph().input(0).name(), kInputIds);
  EXPECT_EQ(text.graph().output(0).name(), kTextEmbeds);
  EXPECT_EQ(text.graph().input(0).type().tensor_type().shape().dim(1).dim_param(), "tokens");
}

TEST(Export, NodesAndNamesAreThoseOfTheModel) {
  const TempDir dir;
  const Checkpoint checkpoint = small_checkpoint("gelu", 16);
  export_to(dir, checkpoint);
  const auto image = onnx_ir::read_model(dir / "bundle/image.onnx"),
             text = onnx_ir::read_model(dir / "bundle/text.onnx");
  std::map<std::string, int> ops;
  std::set<std::string> initializers;
  for (const auto* model : {&image, &text}) {
    for (const auto& node : model->graph().node()) ++ops[node.op_type()];
    for (const auto& tensor : model->graph().initializer()) initializers.insert(tensor.name());
  }
  EXPECT_EQ(ops["MatMul"], 4 * (6 + 2) + 2);  // layers x (linear + scores + mix), projections
  EXPECT_EQ(ops["LayerNormalization"], 4 * 2 + 3);
  EXPECT_EQ(ops["Softmax"], 4);
  EXPECT_EQ(ops["Erf"], 4);
  EXPECT_EQ(ops["Conv"], 1);
  EXPECT_EQ(ops["Constant"], 0);
  for (const auto& item : checkpoint.model->named_parameters()) {
    if (item.key() == "logit_scale") continue;
    EXPECT_TRUE(initializers.count(item.key())) << item.key();
  }
  std::set<std::string> nodes;
  for (const auto& node : image.graph().node()) nodes.insert(node.name());
  EXPECT_TRUE(nodes.count("vision_model/encoder/layers.1/self_attn/q_proj/MatMul"));
  EXPECT_TRUE(nodes.count("vision_model/encoder/layers.0/mlp/fc1/Add"));
}

TEST(Export, IsDeterministic) {
  const TempDir a, b;
  export_to(a, small_checkpoint("quick_gelu", 16));
  export_to(b, small_checkpoint("quick_gelu", 16));
  for (const char* file : {"image.onnx", "text.onnx", "reference.safetensors"})
    EXPECT_EQ(read_file(a / "bundle" / file), read_file(b / "bundle" / file)) << file;
}

class ExportParity : public testing::TestWithParam<std::tuple<const char*, bool>> {};

TEST_P(ExportParity, TheEngineComputesWhatLibTorchComputes) {
  const auto [activation, adapted] = GetParam();
  const TempDir dir;
  Checkpoint checkpoint = small_checkpoint(activation, 24);
  if (adapted) attach_adapter(checkpoint);
  const Json report = export_to(dir, checkpoint);
  EXPECT_EQ(report["adapter_merged"], adapted);
  const Bundle bundle = open_bundle(dir / "bundle");
  for (const bool reference_kernels : {true, false}) {
    EXPECT_LE(replay(bundle, bundle.image_onnx(), "image", reference_kernels), 2e-5);
    EXPECT_LE(replay(bundle, bundle.text_onnx(), "text", reference_kernels), 2e-5);
  }
  // The reference outputs are those of the adapted model.
  const SafetensorsFile reference(bundle.reference());
  checkpoint.model->eval();
  const torch::Tensor actual =
      checkpoint.model->encode_image(from_tensor(reference.get("image/b3/pixel_values").view()));
  EXPECT_LE((actual - from_tensor(reference.get("image/b3/image_embeds").view())).abs().max().item<double>(),
            1e-5);
}

INSTANTIATE_TEST_SUITE_P(All, ExportParity,
                         testing::Combine(testing::Values("quick_gelu", "gelu"), testing::Bool()));

TEST(Export, RefusesWhatCannotBeExported) {
  const TempDir dir;
  save_checkpoint(dir / "c", small_checkpoint("gelu", 16));
  ExportOptions options;
  options.checkpoint = (dir / "c").string();
  options.out = (dir / "bundle").string();
  options.opset = 11;
  EXPECT_NE(invalid_input_of([&] { export_bundle(options); }).find("opset 11"), std::string::npos);
  options.opset = 17;
  fs::remove_all(dir / "c/tokenizer");
  EXPECT_NE(invalid_input_of([&] { export_bundle(options); }).find("tokenizer"), std::string::npos);
  options.checkpoint = (dir / "absent").string();
  EXPECT_NE(invalid_input_of([&] { export_bundle(options); }).find("absent"), std::string::npos);
  options.checkpoint = (dir / "c").string();
  write_text(dir / "file", "x");
  options.out = (dir / "file/bundle").string();
  EXPECT_NE(invalid_input_of([&] { export_bundle(options); }).find("file"), std::string::npos);
  EXPECT_FALSE(fs::exists(dir / "bundle"));
}

}  // namespace
}  // namespace edgeclip
