#include "model/import/import.h"
#include "model/import/source.h"
#include "tiny_clip.h"

namespace edgeclip {
namespace {

using namespace test;

namespace fs = std::filesystem;

Checkpoint import_clip(const fs::path& from) {
  ImportOptions options;
  options.from = from.string();
  Json report;
  return import_model(options, &report);
}

TEST(ImportHuggingFace, OutputsOfTheGoldenModel) {
  Checkpoint checkpoint = import_clip(golden("tiny_clip"));
  expect_outputs(checkpoint.model, golden("tiny_clip/outputs.safetensors"), 1e-5);
}

TEST(ImportHuggingFace, BadFilesGiveOneLine) {
  TempDir dir;
  EXPECT_NE(invalid_input_of([&] { import_clip(dir.path()); }).find("holds no weights"), std::string::npos);
  EXPECT_NE(invalid_input_of([&] { import_clip(dir / "none.pt"); }).find("none.pt"), std::string::npos);
  write_safetensors(dir / "other.safetensors", {{"a.weight", Tensor(DType::f32, {2})}});
  EXPECT_NE(invalid_input_of([&] { import_clip(dir / "other.safetensors"); }).find("a.weight"),
            std::string::npos);
  fs::copy_file(golden("tiny_clip/model.safetensors"), dir / "model.safetensors");
  EXPECT_NE(invalid_input_of([&] { import_clip(dir.path()); }).find("config.json"), std::string::npos);
  test::write_text(dir / "config.json", "{}");
  EXPECT_NE(invalid_input_of([&] { import_clip(dir.path()); }).find("vision_config"), std::string::npos);
  Json config = read_json(golden("tiny_clip/config.json"));
  config["vision_config"]["patch_size"] = 0;
  write_json(dir / "config.json", config);
  invalid_input_of([&] { import_clip(dir.path()); });
  config["vision_config"]["patch_size"] = 8;
  config["vision_config"]["hidden_size"] = 32;
  write_json(dir / "config.json", config);
  const std::string shapes = invalid_input_of([&] { import_clip(dir.path()); });
  EXPECT_NE(shapes.find("64"), std::string::npos) << shapes;
  EXPECT_NE(shapes.find("32"), std::string::npos) << shapes;
  config["vision_config"]["hidden_size"] = 1 << 16;
  write_json(dir / "config.json", config);
  EXPECT_NE(invalid_input_of([&] { import_clip(dir.path()); }).find("needs at least"), std::string::npos);
  config["vision_config"]["hidden_size"] = 64;
  config["projection_dim"] = 1 << 30;
  write_json(dir / "config.json", config);
  EXPECT_NE(invalid_input_of([&] { import_clip(dir.path()); }).find("projection_dim"), std::string::npos);
  ImportOptions options;
  options.from = golden("tiny_clip").string();
  test::write_text(dir / "merges", "#version\na b\n");
  options.tokenizer = "clip:" + (dir / "merges").string();
  Json report;
  EXPECT_NE(invalid_input_of([&] { import_model(options, &report); }).find("merges"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip
