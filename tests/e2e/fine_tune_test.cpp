#include <gtest/gtest.h>

#include <sstream>

#include "base/csv.h"
#include "base/file.h"
#include "base/json.h"
#include "process.h"
#include "support/support.h"

/// docs/fine_tuning.md, command by command as it stands there: 50 photos and a tiny CLIP under the names that
/// it gives.
namespace edgeclip::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTinyClip = R"({
  "model": {
    "vision": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": [64],
               "image_height": 32, "image_width": 32, "patch_size": 8},
    "text": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": [64],
             "max_position_embeddings": 77},
    "projection_dim": 16
  },
  "batch": 8, "steps": 1, "seed": 1
})";

/// The lines of the page's ```sh blocks.
std::vector<std::string> commands_of(const std::string& page) {
  std::vector<std::string> commands;
  std::istringstream lines(page);
  bool shell = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("```", 0) == 0)
      shell = line == "```sh";
    else if (shell && !line.empty())
      commands.push_back(line);
  }
  return commands;
}

class FineTune : public testing::Test {
 protected:
  TempDir folder_;

  void shell(const std::string& command) {
    const auto folder_of = [](const char* program) { return fs::path(program).parent_path().string(); };
    const ProcessResult result =
        run({"/bin/sh", "-c",
             "cd '" + folder_.path().string() + "' && export PATH='" + folder_of(EDGECLIP_PROGRAM) + ":" +
                 folder_of(EDGECLIP_EDGE_PROGRAM) + "':\"$PATH\" && " + command});
    ASSERT_EQ(result.code, 0) << command << "\n" << result.err << result.out;
  }

  /// photos/ and photos.csv: 40 photos to train on, 5 to choose by, 5 to measure with.
  void make_photos(const fs::path& flickr) {
    fs::create_directory(folder_ / "photos");
    std::string csv = "path,caption,split\n";
    const Json records = read_json(flickr / "annotations.json");
    for (std::size_t i = 0; i < 50; ++i) {
      const auto name = records[i].at("file_path").get<std::string>();
      fs::create_symlink(flickr / "images" / name, folder_ / "photos" / name);
      for (std::size_t k = 0; k < 2; ++k)
        csv += csv_row({name, records[i].at("captions")[k].get<std::string>(),
                        i < 40   ? "train"
                        : i < 45 ? "val"
                                 : "test"});
    }
    write_text(folder_ / "photos.csv", csv);
  }

  /// A Hugging Face folder, as if it had been downloaded.
  void make_clip(const fs::path& vocabulary) {
    write_text(folder_ / "tiny.json", kTinyClip);
    shell("edgeclip prepare --quiet --annotations photos.csv --images photos/ --tokenizer 'clip:" +
          vocabulary.string() + "' --context-length 77 --out made/dataset");
    shell("edgeclip train --quiet --config tiny.json --data made/dataset --out made/run");
    shell("edgeclip export --quiet --checkpoint made/run --format hf --out clip-vit-base-patch32");
  }
};

TEST_F(FineTune, ThePageDoesWhatItSays) {
  EDGECLIP_REQUIRE_DATA(flickr, "flickr8k");
  EDGECLIP_REQUIRE_DATA(vocabulary, "vocab/bpe_simple_vocab_16e6.txt.gz");
  make_photos(flickr);
  make_clip(vocabulary);
  if (HasFatalFailure()) return;
  fs::create_directory_symlink(EDGECLIP_SOURCE_DIR "/configs", folder_ / "configs");
  const auto commands = commands_of(read_file(EDGECLIP_SOURCE_DIR "/docs/fine_tuning.md"));
  ASSERT_GE(commands.size(), 10u);
  for (const auto& command : commands) {
    shell(command);
    if (HasFatalFailure()) return;
  }

  const Json after = read_json(folder_ / "after.json");
  EXPECT_EQ(after.at("gallery"), 5);
  EXPECT_EQ(after.at("examples").size(), 6u);
  EXPECT_TRUE(fs::exists(folder_ / "run/best/adapter_model.safetensors"));
  const std::string page = read_file(folder_ / "report.html");
  for (const char* part : {"Training: run on dataset, from clip", "What is found for some captions",
                           "data:image/", "Examples: run", "Learning rate"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  EXPECT_TRUE(fs::exists(folder_ / "found.png"));
}

}  // namespace
}  // namespace edgeclip::test
