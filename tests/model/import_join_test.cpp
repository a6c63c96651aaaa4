#include "base/error.h"
#include "model/import/import.h"
#include "tiny_clip.h"

/// Towers that were trained apart (tests/golden/tiny_towers), joined with each other and with a CLIP's.
namespace edgeclip {
namespace {

using namespace test;
namespace fs = std::filesystem;

/// Both golden towers, at the size of the golden pixels.
ImportOptions both_towers() {
  ImportOptions options;
  options.image = golden("tiny_towers/resnet/model.safetensors").string();
  options.text = golden("tiny_towers/distilbert_hf").string();
  options.image_height = 96;
  options.image_width = 48;
  options.projection_dim = 16;
  return options;
}

Checkpoint import(const ImportOptions& options, Json* report = nullptr) {
  Json ignored;
  return import_model(options, report != nullptr ? report : &ignored);
}

std::string refusal_of(const ImportOptions& options) {
  return invalid_input_of([&] { import(options); });
}

void expect_golden(const torch::Tensor& actual, const char* file, const char* name) {
  const torch::Tensor expected = from_tensor(SafetensorsFile(golden("tiny_towers") / file).get(name).view());
  EXPECT_LE(max_difference(actual, expected), 1e-5 + 1e-4 * expected.abs().max().item<double>()) << name;
}

void expect_golden_image(Checkpoint& checkpoint) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor pixels = from_tensor(read_npy(golden("tiny_towers/resnet_pixels.npy")).view());
  expect_golden(checkpoint.model->vision_model->forward(pixels), "resnet.eval.safetensors", "out.features");
}

void expect_golden_text(Checkpoint& checkpoint, const char* name) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor ids = from_tensor(read_npy(golden("tiny_towers/distilbert_input_ids.npy")).view());
  expect_golden(checkpoint.model->text_model->forward(ids.to(torch::kLong)), "distilbert.eval.safetensors",
                name);
}

bool equal_parameters(const Checkpoint& a, const Checkpoint& b, const std::string& name) {
  return torch::equal(a.model->named_parameters()[name], b.model->named_parameters()[name]);
}

TEST(ImportJoin, ResNetAndDistilBertGiveTheirLibrariesOutputs) {
  Json report;
  Checkpoint checkpoint = import(both_towers(), &report);
  expect_golden_image(checkpoint);
  expect_golden_text(checkpoint, "out.cls");
  EXPECT_EQ(checkpoint.card.image.resize, "stretch");
  EXPECT_EQ(checkpoint.card.image.filter, "bilinear");
  EXPECT_EQ(report["source"], "torchvision + distilbert");
  EXPECT_EQ(report["tensors"], 102 + 36);
  EXPECT_TRUE(report["unused"].empty() && report["ignored"].empty() && report["not_finite"].empty());
  EXPECT_EQ(report["initialized"],
            Json({"logit_scale", "visual_projection.weight", "text_projection.weight"}));
  EXPECT_NEAR(checkpoint.model->logit_scale.item<double>(), 2.6592, 1e-4);

  ImportOptions mean = both_towers();
  mean.text_pooling = "mean";
  Checkpoint averaged = import(mean);
  expect_golden_text(averaged, "out.masked_mean");
}

TEST(ImportJoin, TheCheckpointComesBackAsItWas) {
  TempDir dir;
  const Checkpoint written = import(both_towers());
  save_checkpoint(dir / "c", written);
  Checkpoint read = load_checkpoint(dir / "c");
  EXPECT_EQ(weights_hash(read.model), weights_hash(written.model));
  EXPECT_EQ(options_to_json(read.config), options_to_json(written.config));
  expect_golden_image(read);
}

TEST(ImportJoin, TheSeedDecidesNewHeads) {
  ImportOptions options = both_towers();
  const Checkpoint first = import(options), again = import(options);
  options.seed = 1;
  const Checkpoint other = import(options);
  for (const char* head : {"visual_projection.weight", "text_projection.weight"}) {
    EXPECT_TRUE(equal_parameters(first, again, head));
    EXPECT_FALSE(equal_parameters(first, other, head));
  }
  options.projection = "mlp";
  options.projection_dim = 0;
  Json report;
  EXPECT_EQ(import(options, &report).config.projection_dim, ImportOptions::kUsualProjection);
  EXPECT_EQ(report["initialized"].size(), 1 + 2 * 6);
}

TEST(ImportJoin, ADualSourceGivesItsImageTowerItsHeadAndItsScale) {
  ImportOptions options = both_towers();
  options.image = golden("tiny_clip").string();
  options.projection_dim = options.image_height = options.image_width = 0;
  Json report;
  Checkpoint joined = import(options, &report);
  DualEncoder clip = tiny_model();
  EXPECT_LE(max_difference(joined.model->project_image(tiny_pixels()), clip->project_image(tiny_pixels())),
            1e-6);
  EXPECT_TRUE(torch::equal(joined.model->logit_scale, clip->logit_scale));
  expect_golden_text(joined, "out.cls");
  EXPECT_EQ(joined.config.projection_dim, 32);
  EXPECT_EQ(joined.card.image.filter, "bicubic");
  EXPECT_EQ(report["initialized"], Json({"text_projection.weight"}));
  std::size_t of_text = 0;
  for (const auto& item : clip->named_parameters()) of_text += item.key().find("text_") == 0 ? 1 : 0;
  EXPECT_EQ(report["ignored"].size(), of_text);

  options.projection_dim = 8;  // not the source's: both heads are new
  import(options, &report);
  EXPECT_EQ(report["initialized"], Json({"visual_projection.weight", "text_projection.weight"}));
  EXPECT_EQ(report["ignored"].size(), of_text + 1);
}

TEST(ImportJoin, ADualSourceGivesItsTextTower) {
  ImportOptions options = both_towers();
  options.text = golden("tiny_clip").string();
  options.projection_dim = 0;
  Json report;
  Checkpoint joined = import(options, &report);
  DualEncoder clip = tiny_model();
  EXPECT_LE(max_difference(joined.model->project_text(tiny_ids()), clip->project_text(tiny_ids())), 1e-6);
  EXPECT_TRUE(torch::equal(joined.model->logit_scale, clip->logit_scale));
  expect_golden_image(joined);
  EXPECT_EQ(report["initialized"], Json({"visual_projection.weight"}));
  EXPECT_EQ(report["source"], "torchvision + huggingface");
}

TEST(ImportJoin, NewHeadsOnAWholeModel) {
  ImportOptions options;
  options.from = golden("tiny_clip").string();
  options.projection = "mlp";
  Json report;
  const Checkpoint checkpoint = import(options, &report);
  EXPECT_EQ(checkpoint.config.projection_dim, 32);
  EXPECT_EQ(report["ignored"], Json({"text_projection.weight", "visual_projection.weight"}));
  EXPECT_EQ(report["initialized"].size(), 2 * 6);
  options.image_pooling = "mean";
  EXPECT_EQ(import(options).config.vision.pooling, "mean");
}

TEST(ImportJoin, AnAdapterStaysOne) {
  TempDir dir;
  ImportOptions options;
  options.from = golden("tiny_clip").string();
  options.adapter = golden("adapters/second").string();
  Json report;
  Checkpoint checkpoint = import(options, &report);
  const SafetensorsFile expected(golden("adapters/second.expected.safetensors"));
  const torch::NoGradGuard no_grad;
  EXPECT_LE(max_difference(checkpoint.model->encode_image(tiny_pixels()),
                           from_tensor(expected.get("image_embeds").view())),
            1e-5);
  save_checkpoint(dir / "c", checkpoint);
  EXPECT_TRUE(fs::exists(dir / "c/adapter_model.safetensors"));
  EXPECT_EQ(weights_hash(load_checkpoint(dir / "c").model), weights_hash(checkpoint.model));
  EXPECT_EQ(report["adapter"], options.adapter);
  options.adapter = dir.path().string();
  EXPECT_NE(refusal_of(options).find("adapter_config.json"), std::string::npos);
}

TEST(ImportJoin, OldConfigurationsPoolAtTheLargestId) {
  TempDir dir;
  fs::copy_file(golden("tiny_clip/model.safetensors"), dir / "model.safetensors");
  Json config = read_json(golden("tiny_clip/config.json"));
  config["text_config"].update({{"bos_token_id", 0}, {"eos_token_id", 2}, {"pad_token_id", 1}});
  write_json(dir / "config.json", config);
  ImportOptions options;
  options.from = dir.path().string();
  Checkpoint checkpoint = import(options);
  EXPECT_EQ(checkpoint.config.text.end_pooling, "largest_id");
  EXPECT_EQ(checkpoint.config.text.eos_token_id, 511);
  expect_outputs(checkpoint.model, golden("tiny_clip/outputs.safetensors"), 1e-5);
  options.from = golden("tiny_clip").string();
  EXPECT_EQ(import(options).config.text.end_pooling, "first_end");
}

TEST(ImportJoin, OptionsThatDoNotGoTogether) {
  const ImportOptions both = both_towers();
  const auto refused = [&](const std::function<void(ImportOptions&)>& change, const char* part) {
    ImportOptions options = both;
    change(options);
    const std::string message = refusal_of(options);
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  refused([](auto& o) { o.from = o.image; }, "give it alone");
  refused([](auto& o) { o.image.clear(); }, "image is needed");
  refused([](auto& o) { o.text.clear(); }, "text is needed");
  refused([](auto& o) { o.image = o.text = ""; }, "must name the weights");
  refused([](auto& o) { o.model_config = "config.json"; }, "model_config");
  refused([](auto& o) { o.image = o.text; }, "has no image tower");
  refused([](auto& o) { o.text = o.image; }, "has no text tower");
  refused(
      [](auto& o) {
        o.from = o.image;
        o.image = o.text = "";
      },
      "--text PATH");
  refused([](auto& o) { o.image_pooling = "mean"; }, "image_pooling");
  refused([](auto& o) { o.text_pooling = "first_end"; }, "cls, mean");
  refused([](auto& o) { o.projection_dim = -1; }, "projection_dim");
}

}  // namespace
}  // namespace edgeclip
