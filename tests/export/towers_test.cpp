#include "export/emit.h"
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
