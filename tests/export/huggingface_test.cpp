#include "export/huggingface.h"

#include "base/error.h"
#include "base/file.h"
#include "model/import/import.h"
#include "support/support.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;
using test::golden;
using test::invalid_input_of;
using test::TempDir;

Checkpoint import(const fs::path& from, int width = 0) {
  ImportOptions options;
  options.from = from.string();
  options.image_width = width;
  Json report;
  return import_model(options, &report);
}

TEST(ExportHuggingFace, ComesBackAsTheSameModel) {
  TempDir dir;
  const Checkpoint checkpoint = import(golden("tiny_clip"));
  save_checkpoint(dir / "checkpoint", checkpoint);
  export_huggingface({(dir / "checkpoint").string(), (dir / "hf").string()});
  const Checkpoint again = import(dir / "hf");
  EXPECT_EQ(weights_hash(again.model), weights_hash(checkpoint.model));
  EXPECT_EQ(options_to_json(again.config), options_to_json(checkpoint.config));
}

TEST(ExportHuggingFace, ReplacesNothingAndRefusesWhatACLIPModelCannotBe) {
  TempDir dir;
  save_checkpoint(dir / "checkpoint", import(golden("tiny_clip")));
  save_checkpoint(dir / "other", import(golden("tiny_clip")));
  const std::string before = read_file(dir / "other/config.json");
  invalid_input_of([&] { export_huggingface({(dir / "checkpoint").string(), (dir / "other").string()}); });
  EXPECT_EQ(read_file(dir / "other/config.json"), before);
  save_checkpoint(dir / "tall", import(golden("tiny_clip"), 16));
  EXPECT_NE(invalid_input_of([&] {
              export_huggingface({(dir / "tall").string(), (dir / "hf").string()});
            }).find("32 x 16"),
            std::string::npos);
  Checkpoint cut = import(golden("tiny_clip"));
  cut.config.vision.layer_heads.assign(static_cast<std::size_t>(cut.config.vision.num_hidden_layers), 1);
  cut.model = DualEncoder(cut.config);
  save_checkpoint(dir / "cut", cut);
  EXPECT_NE(invalid_input_of([&] { export_huggingface({(dir / "cut").string(), (dir / "hf").string()}); }).find("heads"), std::string::npos);
  EXPECT_FALSE(fs::exists(dir / "hf"));
}

}  // namespace
}  // namespace edgeclip
