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

TEST(Export, OneFileOfBothTowersGivesTheirLogits) {
  for (const bool bytes : {false, true}) {
    const TempDir dir;
    const Checkpoint checkpoint = small_checkpoint("gelu", 24);
    save_checkpoint(dir / "checkpoint", checkpoint);
    ExportOptions options;
    options.checkpoint = (dir / "checkpoint").string();
    options.out = (dir / "bundle").string();
    options.merged = true;
    options.uint8_pixels = bytes;
    const Json report = export_bundle(options);
    EXPECT_EQ(report["model"]["checked"], true);

    Tensor pixels(DType::f32, {2, 3, 24, 16});
    Tensor given = pixels;
    if (bytes) {
      given = Tensor(DType::u8, {2, 24, 16, 3});
      for (std::int64_t i = 0; i < given.elements(); ++i) given.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(i * 37 % 256);
      for (std::int64_t image = 0; image < 2; ++image) {
        Image one(16, 24);
        const auto* from = given.data<std::uint8_t>() + image * 24 * 16 * 3;
        one.rgb.assign(from, from + 24 * 16 * 3);
        normalize_pixels(one, checkpoint.card.image, false, pixels.data<float>() + image * 3 * 24 * 16);
      }
    } else {
      for (std::int64_t i = 0; i < pixels.elements(); ++i) pixels.data<float>()[i] = static_cast<float>(i % 13) / 6 - 1;
    }
    const Tensor ids = Tensor::from<std::int64_t>({3, 4}, {2, 5, 6, 3, 2, 7, 3, 0, 2, 8, 9, 3});
    DualEncoder model = load_checkpoint(options.checkpoint).model;
    model->eval();
    const torch::NoGradGuard no_grad;
    const torch::Tensor image = model->encode_image(from_tensor(pixels.view())), text = model->encode_text(from_tensor(ids.view()));
    const torch::Tensor logits = text.matmul(image.t()) * model->logit_scale.exp();

    engine::Graph graph = builder::import_onnx(dir / "bundle/model.onnx");
    builder::optimize(graph);
    const engine::Session session(std::move(graph), {});
    engine::Context context(session);
    const std::vector<Tensor> out = context.run({ids.view(), bytes ? given.view() : pixels.view()});
    ASSERT_EQ(out.size(), 4u);
    const auto difference = [](const Tensor& actual, const torch::Tensor& expected) {
      return (from_tensor(actual.view()) - expected).abs().max().item<double>();
    };
    EXPECT_LE(difference(out[0], logits.t()), 2e-5);
    EXPECT_LE(difference(out[1], logits), 2e-5);
    EXPECT_LE(difference(out[2], text), 2e-6);
    EXPECT_LE(difference(out[3], image), 2e-6);
    if (!bytes) continue;
    engine::Graph alone = builder::import_onnx(dir / "bundle/image_uint8.onnx");
    const engine::Session image_session(std::move(alone), {});
    engine::Context image_context(image_session);
    EXPECT_LE(difference(image_context.run({given.view()}).at(0), image), 2e-6);
  }
}

TEST(Export, AFileKnowsWhereItComesFrom) {
  const TempDir dir;
  export_to(dir, small_checkpoint("quick_gelu", 24));
  const auto model = onnx_ir::read_model(dir / "bundle/text.onnx");
  std::map<std::string, std::string> metadata;
  for (const auto& property : model.metadata_props()) metadata[property.key()] = property.value();
  EXPECT_EQ(Json::parse(metadata["edgeclip.card"])["context_length"], 24);
  EXPECT_EQ(Json::parse(metadata["edgeclip.card"])["image"]["height"], 24);
  EXPECT_EQ(Json::parse(metadata["edgeclip.model"])["vision"]["layer_heads"], Json({3, 2}));
  EXPECT_EQ(Json::parse(metadata["edgeclip.provenance"]).back()["command"], "test");
  EXPECT_FALSE(metadata["edgeclip.tokenizer"].empty());
  EXPECT_FALSE(metadata["edgeclip.weights"].empty());
}

TEST(Export, AnEmbeddingSpaceIsOfWeightsPreprocessingAndTokenizer) {
  const auto space = [](const std::function<void(Checkpoint&)>& change, int opset = 17) {
    const TempDir dir;
    Checkpoint checkpoint = small_checkpoint("quick_gelu", 24);
    change(checkpoint);
    export_to(dir, checkpoint, opset);
    return open_bundle(dir / "bundle").card.embedding_space;
  };
  const std::string first = space([](Checkpoint&) {});
  EXPECT_EQ(first.size(), 32u);
  EXPECT_EQ(space([](Checkpoint& c) { c.card.name = "another name"; }), first);
  EXPECT_EQ(space([](Checkpoint&) {}, 14), first) << "the same model in another file";
  EXPECT_NE(space([](Checkpoint& c) { c.card.image.filter = "bicubic"; }), first);
  EXPECT_NE(space([](Checkpoint& c) {
              const torch::NoGradGuard no_grad;
              c.model->parameters().front().view(-1)[0] += 0.5;
            }),
            first);
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
