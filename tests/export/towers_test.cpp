#include "builder/verify_layers.h"
#include "export/emit.h"
#include "model/config/token_merging.h"
#include "model/config/tower_kinds.h"
#include "model/towers/clip_text.h"
#include "small_export.h"

namespace edgeclip {
namespace {

using namespace test;

struct Case {
  const char *name, *image, *image_pooling, *text, *text_pooling, *head;
};
std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

Checkpoint checkpoint_of(const Case& c) {
  Checkpoint checkpoint = small_checkpoint("gelu", 24);
  ModelConfig config = checkpoint.config;
  VisionConfig& v = config.vision;
  TextConfig& t = config.text;
  v.model_type = c.image;
  v.pooling = c.image_pooling;
  v.depths = {2, 1, 1};
  v.hidden_sizes = {16, 24, 40};
  v.embedding_size = 8;
  if (v.model_type == "resnet") v.image_height = 70, v.image_width = 33;  // odd sizes at every stage
  t.model_type = c.text;
  t.*text_kind(c.text).pooling = c.text_pooling;
  t.bos_token_id = checkpoint.tokenizer->begin_id();
  t.eos_token_id = checkpoint.tokenizer->end_id();
  t.pad_token_id = checkpoint.tokenizer->pad_id();
  config.visual_projection.model_type = config.text_projection.model_type = c.head;
  config.text_projection.hidden_act = "relu";
  checkpoint.config = config;
  torch::manual_seed(7);
  checkpoint.model = DualEncoder(config);
  initialize_weights(checkpoint.model);
  const torch::NoGradGuard no_grad;
  for (auto& item : checkpoint.model->named_parameters())
    if (item.value().dim() == 1) item.value().add_(torch::randn_like(item.value()) * 0.1);
  for (auto& item : checkpoint.model->named_buffers())
    if (item.key().find("running_") != std::string::npos)
      item.value().add_(torch::rand_like(item.value()) * 0.5);
  return checkpoint;
}

TEST(Emission, EveryNetworkHasOne) {
  EXPECT_EQ(emitted_image_towers(), image_tower_names());
  EXPECT_EQ(emitted_text_towers(), text_tower_names());
}

class TowerExport : public testing::TestWithParam<std::tuple<Case, int>> {};

TEST_P(TowerExport, TheEngineComputesWhatLibTorchComputes) {
  const TempDir dir;
  const auto [networks, opset] = GetParam();
  const Json report = export_to(dir, checkpoint_of(networks), opset, /*external_data=*/opset == 14);
  EXPECT_EQ(report["image"]["checked"], opset <= 17);
  const Bundle bundle = open_bundle(dir / "bundle");
  for (const bool reference_kernels : {true, false}) {
    EXPECT_LE(replay(bundle, bundle.image_onnx(), "image", reference_kernels), 2e-5);
    EXPECT_LE(replay(bundle, bundle.text_onnx(), "text", reference_kernels), 2e-5);
  }
  // Between the layers, too: every value that LibTorch has there is in the files.
  for (const char* tower : {"image", "text"}) {
    const Json layers = builder::compare_layers(bundle, builder::import_onnx(bundle.directory / fmt::format("{}.onnx", tower)), tower, 0.999999);
    EXPECT_GE(layers.size(), 3u) << tower;
    for (const Json& layer : layers) EXPECT_EQ(layer["passed"], true) << layer;
  }
}

/// Fewer tokens behind two of three layers, by the engine's kernels and by the plain operators that others see.
class MergedTokensExport : public testing::TestWithParam<std::tuple<std::string, bool, int>> {};

TEST_P(MergedTokensExport, TheEngineComputesWhatLibTorchComputes) {
  const auto [pooling, proportional, opset] = GetParam();
  Checkpoint checkpoint = small_checkpoint("quick_gelu", 24);
  VisionConfig& vision = checkpoint.config.vision;
  vision.image_height = 48, vision.image_width = 32;  // 25 tokens
  vision.hidden_size = 32, vision.num_attention_heads = 2, vision.num_hidden_layers = 3;
  vision.intermediate_size = {40};
  vision.layer_heads.clear();
  vision.pooling = pooling;
  vision.token_merging = {5, 3, 4};
  vision.proportional_attention = proportional;
  torch::manual_seed(7);
  checkpoint.model = DualEncoder(checkpoint.config);
  initialize_weights(checkpoint.model);
  {
    const torch::NoGradGuard no_grad;
    for (auto& item : checkpoint.model->named_parameters())
      if (item.value().dim() == 1) item.value().add_(torch::randn_like(item.value()) * 0.1);
  }
  const TempDir dir;
  const Json report = export_to(dir, checkpoint, opset);
  EXPECT_EQ(report["image"]["checked"], opset <= 17);
  EXPECT_EQ(report["image_tokens"], pooling == "class" ? Json({25, 20, 17, 17}) : Json({25, 20, 17, 13}));
  const Bundle bundle = open_bundle(dir / "bundle");
  for (const bool reference_kernels : {true, false})
    EXPECT_LE(replay(bundle, bundle.image_onnx(), "image", reference_kernels), 2e-5);

  engine::Graph graph = builder::import_onnx(bundle.image_onnx());
  builder::optimize(graph);
  std::map<std::string, int> ops;
  for (const engine::Node& node : graph.nodes()) {
    ++ops[node.op];
    if (node.op == "TokenMerge") {
      EXPECT_EQ(node.int_or("joined", 0), 1);
    }
  }
  EXPECT_EQ(ops["TokenMerge"], pooling == "class" ? 2 : 3);
  EXPECT_EQ(ops["TopK"] + ops["Equal"] + ops["ReduceSum"], pooling == "class" ? 0 : 1);
  EXPECT_GE(ops["FusedAttention"], 2);  // before opset 13 a plain Softmax is one over all axes behind its own: no row goes through
}
INSTANTIATE_TEST_SUITE_P(All, MergedTokensExport,
                         testing::Combine(testing::Values("class", "mean"), testing::Bool(), testing::Values(12, 14, 17, 18, 20)),
                         [](const auto& info) {
                           return fmt::format("{}_{}_opset{}", std::get<0>(info.param),
                                              std::get<1>(info.param) ? "proportional" : "plain", std::get<2>(info.param));
                         });

TEST(MergedTokens, ACheckpointIsExportedWithAnotherNumber) {
  const TempDir dir;
  save_checkpoint(dir / "checkpoint", small_checkpoint("gelu", 24));  // 7 tokens, 2 layers
  ExportOptions options;
  options.checkpoint = (dir / "checkpoint").string();
  options.out = (dir / "bundle").string();
  options.token_merging = {2, 1};
  const Json report = export_bundle(options);
  EXPECT_EQ(report["image_tokens"], Json({7, 5, 5}));
  const Bundle bundle = open_bundle(dir / "bundle");
  EXPECT_EQ(bundle.provenance.back()["options"]["token_merging"], Json({2, 1}));
  EXPECT_LE(replay(bundle, bundle.image_onnx(), "image", false), 2e-5);
  options.token_merging = {4};
  options.overwrite = true;
  EXPECT_NE(invalid_input_of([&] { export_bundle(options); }).find("layer 0 has 7 tokens, of which at most 3 can be merged"),
            std::string::npos);
  // Or for a part of the multiply-accumulates.
  options.token_merging.clear();
  options.token_budget = 0.9;
  ModelConfig config = load_checkpoint(options.checkpoint).config;
  const int merged = merging_for_budget(config, 0.9, "");
  ASSERT_GE(merged, 1);
  const Json by_budget = export_bundle(options);
  EXPECT_EQ(by_budget["token_merging"], Json({merged}));
  EXPECT_EQ(by_budget["image_tokens"], Json({7, 7 - merged, 7 - merged}));
  const Json said = open_bundle(dir / "bundle").provenance.back()["options"];
  EXPECT_EQ(said["token_budget"], 0.9);
  EXPECT_EQ(said["token_merging"], Json({merged}));
}

INSTANTIATE_TEST_SUITE_P(
    All, TowerExport,
    testing::Combine(
        testing::Values(Case{"resnet_distilbert_cls", "resnet", "class", "distilbert", "cls", "mlp"},
                    Case{"vit_distilbert_mean", "vit", "mean", "distilbert", "mean", "linear"},
                    Case{"resnet_clip", "resnet", "class", "clip_text", "largest_id", "linear"},
                    Case{"vit_clip", "vit", "mean", "clip_text", "first_end", "mlp"}),
        testing::Values(12, 14, 17, 18, 20)),
    [](const auto& info) { return fmt::format("{}_opset{}", std::get<0>(info.param).name, std::get<1>(info.param)); });

}  // namespace
}  // namespace edgeclip
