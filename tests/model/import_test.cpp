#include "model/import/import.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "model/import/name_rules.h"
#include "model/import/position_embedding.h"
#include "model/import/source.h"
#include "tiny_clip.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;
using test::expect_outputs;
using test::golden;
using test::invalid_input_of;
using test::max_difference;
using test::TempDir;

Checkpoint import_file(const fs::path& from, const fs::path& config = {}, Json* report = nullptr,
                       bool leave_out_extra = false) {
  ImportOptions options;
  options.leave_out_extra = leave_out_extra;
  options.from = from.string();
  options.model_config = config.string();
  Json ignored;
  return import_model(options, report != nullptr ? report : &ignored);
}

void expect_same_weights(const DualEncoder& a, const DualEncoder& b) {
  const auto expected = b->named_parameters();
  for (const auto& item : a->named_parameters()) {
    ASSERT_NE(expected.find(item.key()), nullptr) << item.key();
    EXPECT_TRUE(torch::equal(item.value(), expected[item.key()])) << item.key();
  }
}

TEST(ImportGolden, EveryFormOfTheSameWeights) {
  EDGECLIP_REQUIRE_PARITY(folder, "weight_formats");
  EDGECLIP_REQUIRE_PARITY(config, "tiny_clip/open_clip/model_config.json");
  const DualEncoder expected = test::tiny_model();
  for (const char* name :
       {"ordered_dict.pt", "parameters.pt", "nested_module.pt", "legacy.pt", "noncontiguous.pt"}) {
    SCOPED_TRACE(name);
    Json report;
    expect_same_weights(import_file(folder / name, config, &report).model, expected);
    EXPECT_EQ(report["source"], "open_clip");
    EXPECT_TRUE(report["unused"].empty());
  }
  expect_same_weights(import_file(config.parent_path() / "model.safetensors").model, expected);
  for (const char* name : {"pytorch_model.bin", "hf_sharded"}) {
    SCOPED_TRACE(name);
    Json report;
    expect_same_weights(import_file(folder / name, {}, &report).model, expected);
    EXPECT_EQ(report["source"], "huggingface");
  }
  expect_same_weights(import_file(config.parent_path().parent_path() / "hf").model, expected);
}

TEST(ImportGolden, RoundedWeightsGiveTheirOutputs) {
  EDGECLIP_REQUIRE_PARITY(folder, "weight_formats");
  EDGECLIP_REQUIRE_PARITY(config, "tiny_clip/open_clip/model_config.json");
  const std::pair<const char*, const char*> cases[] = {
      {"half.pt", "half"},
      {"bfloat16.pt", "bfloat16"},
      {"openai_torchscript.pt", "half"},
      {"openai_torchscript_mixed.pt", "openai_torchscript_mixed"}};
  const torch::NoGradGuard no_grad;
  for (const auto& [name, outputs] : cases) {
    SCOPED_TRACE(name);
    Json report;
    DualEncoder model = import_file(folder / name, config, &report).model;
    EXPECT_EQ(report["ignored"].size(), std::string(name).find("openai") == 0 ? 3u : 0u);
    const SafetensorsFile expected(folder / (std::string(outputs) + ".outputs.safetensors"));
    const auto value = [&](const char* key) { return from_tensor(expected.get(key).view()); };
    const torch::Tensor image = model->encode_image(test::tiny_pixels()),
                        text = model->encode_text(test::tiny_ids());
    EXPECT_LE(max_difference(model->project_image(test::tiny_pixels()), value("image_projected")), 1e-5);
    EXPECT_LE(max_difference(model->project_text(test::tiny_ids()), value("text_projected")), 1e-5);
    EXPECT_LE(max_difference(image, value("image_embeds")), 1e-5);
    EXPECT_LE(max_difference(text, value("text_embeds")), 1e-5);
    EXPECT_LE(
        max_difference(torch::matmul(image, text.t()) * model->logit_scale.exp(), value("logits_per_image")),
        5e-5);
  }
}

TEST(ImportGolden, FilesThatDoNotTellTheirArchitectureAskForIt) {
  EDGECLIP_REQUIRE_PARITY(folder, "weight_formats");
  for (const char* name :
       {"ordered_dict.pt", "openai_torchscript.pt"}) {  // GELU or not; 48 is no heads of 64
    const std::string message = invalid_input_of([&] { import_file(folder / name); });
    EXPECT_NE(message.find("--model-config"), std::string::npos) << message;
  }
}

TEST(ImportGolden, HostileFilesAsTheManifestSays) {
  EDGECLIP_REQUIRE_PARITY(folder, "weight_formats");
  EDGECLIP_REQUIRE_PARITY(config, "tiny_clip/open_clip/model_config.json");
  TempDir dir;
  const fs::path before = fs::current_path();
  fs::current_path(dir.path());
  const Json manifest = read_json(folder / "manifest.json");
  int refused = 0, warned = 0;
  for (const auto& [name, entry] : manifest.at("files").items()) {
    if (name.find("hostile/") != 0) continue;
    SCOPED_TRACE(name);
    if (entry.at("expected") == "clear error") {
      const std::string message = invalid_input_of(
          [&] { import_file(folder / name, name == "hostile/shard_escape" ? fs::path() : config); });
      for (const auto& part : entry.at("names")) {
        auto text = part.get<std::string>();
        std::replace(text.begin(), text.end(), '[', '(');  // our shapes
        std::replace(text.begin(), text.end(), ']', ')');
        EXPECT_NE(message.find(text), std::string::npos) << message;
      }
      ++refused;
    } else {
      Json report;
      import_file(folder / name, config, &report, /*leave_out_extra=*/true);
      if (name.find("extra") != std::string::npos) {
        EXPECT_NE(invalid_input_of([&] { import_file(folder / name, config); }).find("--leave-out-extra"),
                  std::string::npos);
      }
      const Json& named = report[name.find("nan") != std::string::npos ? "not_finite" : "unused"];
      EXPECT_EQ(named.size(), entry.at("names").size());
      for (const auto& part : entry.at("names"))
        EXPECT_NE(std::find(named.begin(), named.end(), part), named.end());
      ++warned;
    }
  }
  EXPECT_EQ(refused, 29);
  EXPECT_EQ(warned, 2);
  EXPECT_FALSE(fs::exists("PWNED"));
  fs::current_path(before);
}

TEST(ImportGolden, PositionEmbeddingsOfOtherGrids) {
  EDGECLIP_REQUIRE_PARITY(folder, "pos_embed");
  int compared = 0;
  for (const char* grid : {"g7", "g14"}) {
    const torch::Tensor table = from_tensor(read_npy(folder / (std::string(grid) + ".npy")).view());
    for (const auto& [rows, columns] : {std::pair{12, 4}, {24, 8}, {16, 16}, {7, 7}})
      for (const auto& [file, rule] : {std::pair{"open_clip", "open_clip"}, {"hf", "huggingface"}}) {
        const fs::path path = folder / fmt::format("{}_to_{}x{}.{}.npy", grid, rows, columns, file);
        if (!fs::exists(path)) continue;
        const torch::Tensor resized = resize_position_embedding(table, rows, columns, rule);
        EXPECT_LE(max_difference(resized, from_tensor(read_npy(path).view())), 1e-5) << path;
        ++compared;
      }
  }
  EXPECT_GE(compared, 14);
}

TEST(Import, AnotherImageSizeResizesThePositions) {
  ImportOptions options;
  options.from = golden("tiny_clip").string();
  options.image_height = 64;
  options.image_width = 32;
  Json report;
  Checkpoint checkpoint = import_model(options, &report);
  EXPECT_EQ(checkpoint.config.vision.image_height, 64);
  const auto& tower = dynamic_cast<VisionTransformer&>(*checkpoint.model->vision_model);
  EXPECT_EQ(tower.position_embedding->weight.size(0), 1 + 8 * 4);
  EXPECT_EQ(checkpoint.card.image.resize, "stretch");
  EXPECT_EQ(checkpoint.model->encode_image(torch::zeros({2, 3, 64, 32})).size(1), 32);
}

TEST(NameRules, NumbersAreCarriedOver) {
  const std::vector<NameRule> rules = {
      {"a.#.b.#", "x.#.y.#"}, {"c", "d", Change::kTranspose}, {"layer#.@", "v.layer#.@"}};
  EXPECT_EQ(match_rule(rules, "a.12.b.3").target, "x.12.y.3");
  EXPECT_EQ(match_rule(rules, "c").rule->change, Change::kTranspose);
  EXPECT_EQ(match_rule(rules, "layer2.0.bn1.bias").target, "v.layer2.0.bn1.bias");
  for (const char* no : {"a.12.b", "a.x.b.1", "cc", "", "a..b.1", "a.1.b.2c", "layer.0"})
    EXPECT_EQ(match_rule(rules, no).rule, nullptr) << no;
}

TEST(WeightSources, EachHasItsRowAndOtherName) {
  std::set<std::string> names;
  for (const auto& source : weight_sources()) EXPECT_TRUE(names.insert(source.name).second);
}

}  // namespace
}  // namespace edgeclip
