#include "export/export.h"

#include <onnx/onnx_pb.h>

#include <map>
#include <set>

#include "base/file.h"
#include "bundle/bundle.h"
#include "engine/import/onnx_import.h"
#include "engine/passes/passes.h"
#include "engine/runtime/session.h"
#include "onnx/graph_builder.h"
#include "support/support.h"

namespace edgeclip {
namespace {

using namespace test;
namespace fs = std::filesystem;

std::shared_ptr<const Tokenizer> small_tokenizer() {
  std::vector<std::string> texts;
  for (const char* who : {"man", "woman", "boy"})
    for (const char* colour : {"red", "green", "blue"})
      texts.push_back(fmt::format("A {} in a {} coat with a bag.", who, colour));
  return train_tokenizer(texts, 60);
}

/// A rectangular image, unequal towers, one pruned layer: nothing that a mistake could hide behind.
Checkpoint small_checkpoint(const std::string& activation, int context) {
  Checkpoint checkpoint;
  checkpoint.tokenizer = small_tokenizer();
  ModelConfig& config = checkpoint.config;
  config.vision.hidden_size = 24;
  config.vision.num_hidden_layers = 2;
  config.vision.num_attention_heads = 3;
  config.vision.intermediate_size = {40, 17};
  config.vision.image_height = 24;
  config.vision.image_width = 16;
  config.text.vocab_size = checkpoint.tokenizer->vocab_size();
  config.text.hidden_size = 20;
  config.text.num_hidden_layers = 2;
  config.text.num_attention_heads = 2;
  config.text.intermediate_size = {36};
  config.text.max_position_embeddings = context;
  config.vision.hidden_act = config.text.hidden_act = activation;
  config.projection_dim = 12;
  torch::manual_seed(5);
  checkpoint.model = DualEncoder(config);
  initialize_weights(checkpoint.model);
  const torch::NoGradGuard no_grad;
  for (auto& item : checkpoint.model->named_parameters())  // biases and norms that are not 0 and 1
    if (item.value().dim() == 1) item.value().add_(torch::randn_like(item.value()) * 0.1);
  checkpoint.provenance.push_back({{"command", "test"}});
  return checkpoint;
}

void attach_adapter(Checkpoint& checkpoint) {
  LoraOptions lora;
  lora.rank = 2;
  checkpoint.model->attach_lora(lora);
  checkpoint.lora = lora;
  const torch::NoGradGuard no_grad;
  for (auto& parameter : checkpoint.model->parameters())
    if (parameter.requires_grad()) parameter.normal_(0, 0.2);
}

Json export_to(const TempDir& dir, const Checkpoint& checkpoint) {
  save_checkpoint(dir / "checkpoint", checkpoint);
  ExportOptions options;
  options.checkpoint = (dir / "checkpoint").string();
  options.out = (dir / "bundle").string();
  return export_bundle(options);
}

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

/// Largest difference between the engine and LibTorch over all reference cases of one tower.
double replay(const Bundle& bundle, const fs::path& onnx, const std::string& tower, bool reference_kernels) {
  engine::Graph graph = engine::import_onnx(onnx);
  EXPECT_EQ(engine::fold_constants(graph), 0);
  if (!reference_kernels) engine::optimize(graph);
  engine::SessionOptions options;
  options.reference = reference_kernels;
  const engine::Session session(std::move(graph), options);
  engine::Context context(session);
  const SafetensorsFile reference(bundle.reference());
  double worst = 0;
  int cases = 0;
  for (const auto& name : reference.names()) {
    if (name.rfind(tower + "/", 0) != 0 || name.find("_embeds") != std::string::npos) continue;
    const std::string prefix = name.substr(0, name.rfind('/') + 1);
    const Tensor expected = reference.get(prefix + tower + "_embeds");
    const Tensor actual = context.run({reference.get(name).view()}).at(0);
    EXPECT_EQ(actual.shape(), expected.shape()) << name;
    for (std::int64_t i = 0; i < expected.elements(); ++i)
      worst =
          std::max(worst, std::abs(static_cast<double>(actual.data<float>()[i]) - expected.data<float>()[i]));
    ++cases;
  }
  EXPECT_GT(cases, 0);
  return worst;
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
  options.opset = 13;
  EXPECT_NE(invalid_input_of([&] { export_bundle(options); }).find("opset 13"), std::string::npos);
  options.opset = 17;
  fs::remove_all(dir / "c/tokenizer");
  EXPECT_NE(invalid_input_of([&] { export_bundle(options); }).find("tokenizer"), std::string::npos);
  options.checkpoint = (dir / "absent").string();
  EXPECT_NE(invalid_input_of([&] { export_bundle(options); }).find("absent"), std::string::npos);
  write_text(dir / "file", "x");
  options.out = (dir / "file/bundle").string();
  EXPECT_NE(invalid_input_of([&] { export_bundle(options); }).find("file"), std::string::npos);
  EXPECT_FALSE(fs::exists(dir / "bundle"));
}

}  // namespace
}  // namespace edgeclip
