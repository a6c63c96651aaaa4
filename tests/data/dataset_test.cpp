#include "data/dataset/dataset.h"

#include <algorithm>
#include <fstream>

#include "base/csv.h"
#include "base/error.h"
#include "base/file.h"
#include "base/npy.h"
#include "data/dataset/captions.h"
#include "data/dataset/write_dataset.h"
#include "support/support.h"

namespace edgeclip {
namespace {

using test::invalid_input_of;
using test::TempDir;
using test::write_text;

std::vector<Pair> some_pairs() {
  return {{"train", 7, "a.png", "A man wears a red coat, a \"hat\" and boots.", -1},
          {"train", 7, "a.png", "The man has a red coat\nand a hat.", -1},
          {"test", 9, "b.png", "A woman wears a blue dress.", -1},
          {"train", 8, "c.png", "A girl wears a green skirt.", -1},
          {"test", 9, "a.png", "The same file in another split.", -1}};
}

void write_some(const std::filesystem::path& directory, const std::vector<Pair>& pairs) {
  std::filesystem::create_directory(directory);
  write_dataset(directory, {.pairs = pairs,
                            .invalid = {{"3", "no \"captions\", none"}},
                            .tokenizer = "train:300",
                            .context_length = 12,
                            .source = Json{{"from", "a test"}}});
}

TEST(Dataset, WrittenAndOpenedAgain) {
  TempDir dir;
  write_some(dir / "set", some_pairs());
  const Dataset dataset = open_dataset((dir / "set").string() + "/");
  EXPECT_EQ(dataset.name, "set");
  EXPECT_EQ(dataset.image_root, dir / "set");
  EXPECT_EQ(dataset.context_length, 12);
  ASSERT_EQ(dataset.pairs.size(), 5u);
  EXPECT_EQ(dataset.pairs[0].caption, some_pairs()[0].caption);
  EXPECT_EQ(dataset.pairs[1].caption, some_pairs()[1].caption);
  EXPECT_EQ(dataset.pairs[2].id, 9);
  EXPECT_EQ(dataset.pairs[2].frame, -1);
  ASSERT_EQ(dataset.images.size(), 4u);
  EXPECT_EQ(dataset.images[0].rows, (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(dataset.images[3].split, "test");
  EXPECT_EQ(dataset.split("train"), (std::vector<std::int64_t>{0, 2}));
  EXPECT_EQ(dataset.split("all").size(), 4u);
  EXPECT_EQ(dataset.captions_cut, dataset.info["captions_cut"]);
  EXPECT_GT(dataset.captions_cut, 0);
  EXPECT_EQ(dataset.identities("train"), 2);
  EXPECT_EQ(dataset.identities("all"), 3);
  EXPECT_EQ(dataset.tokens.shape(), (Shape{5, 12}));
  const auto row = dataset.tokenizer->encode_with_ends(dataset.pairs[2].caption, 12);
  EXPECT_TRUE(std::equal(row.begin(), row.end(), dataset.tokens.data<std::int32_t>() + 24));
  EXPECT_EQ(dataset.info["counts"]["identities"], 3);
  EXPECT_EQ(dataset.info["counts"]["invalid"], 1);
  EXPECT_EQ(dataset.info["splits"]["train"]["images"], 2);
  EXPECT_EQ(dataset.info["splits"]["val"]["pairs"], 0);
  EXPECT_EQ(dataset.info["captions_per_image"]["max"], 2);
  EXPECT_EQ(dataset.info["source"]["from"], "a test");
  const auto invalid = read_csv_table(dir / "set/invalid.csv", {"record", "reason"});
  EXPECT_EQ(invalid, (std::vector<std::vector<std::string>>{{"3", "no \"captions\", none"}}));
  EXPECT_NE(invalid_input_of([&] { dataset.split("tset"); }).find("\"test\""), std::string::npos);
}

TEST(Dataset, CaptionsOfASplitAndTheirLengths) {
  TempDir dir;
  write_some(dir / "set", some_pairs());
  const Dataset dataset = open_dataset(dir / "set");
  EXPECT_EQ(captions_of(dataset, "train"), (std::vector<std::int64_t>{0, 1, 3}));
  EXPECT_EQ(captions_of(dataset, "test"), (std::vector<std::int64_t>{2, 4}));
  EXPECT_EQ(captions_of(dataset, "all").size(), 5u);
  EXPECT_NE(invalid_input_of([&] { captions_of(dataset, "val"); }).find("has no images of split \"val\""), std::string::npos);
  for (std::int64_t i = 0; i < 5; ++i)
    EXPECT_EQ(caption_length(dataset, i),
              static_cast<int>(dataset.tokenizer->encode_with_ends(dataset.pairs[static_cast<std::size_t>(i)].caption, 12).size()));
}

/// Letters, of which the end pads.
struct Letters : Tokenizer {
  std::vector<std::int32_t> encode(std::string_view text) const override { return {text.begin(), text.end()}; }
  std::string decode(const std::vector<std::int32_t>&) const override { return ""; }
  std::string piece(std::int32_t) const override { return ""; }
  int vocab_size() const override { return 128; }
  std::int32_t begin_id() const override { return 1; }
  std::int32_t end_id() const override { return 2; }
  std::int32_t pad_id() const override { return 2; }
  void save(const std::filesystem::path&) const override {}
};

TEST(Dataset, LengthsWhereTheEndPads) {
  Dataset dataset;
  dataset.tokenizer = std::make_shared<Letters>();
  const std::vector<std::string> texts = {"", "a", "abcd", "abcdefgh"};
  dataset.tokens = dataset.tokenizer->encode_batch(texts, 6, true);
  for (std::size_t i = 0; i < texts.size(); ++i)
    EXPECT_EQ(caption_length(dataset, static_cast<std::int64_t>(i)), static_cast<int>(std::min<std::size_t>(6, texts[i].size() + 2)));
}

TEST(Dataset, TokenizerLearnsFromTrainingCaptionsOnly) {
  TempDir dir;
  auto pairs = some_pairs();
  pairs[2].caption = "zzzz zzzz zzzz";
  write_some(dir / "set", pairs);
  const Dataset dataset = open_dataset(dir / "set");
  const auto ids = dataset.tokenizer->encode("z");
  EXPECT_NE(std::find(ids.begin(), ids.end(), 1), ids.end());  // unknown
}

TEST(Dataset, FramesOfVideos) {
  TempDir dir;
  auto pairs = some_pairs();
  for (auto& pair : pairs) pair.frame = pair.path == "a.png" ? 12 : 40;
  write_some(dir / "set", pairs);
  const Dataset dataset = open_dataset(dir / "set");
  EXPECT_EQ(dataset.pairs[2].frame, 40);
  EXPECT_EQ(dataset.images[0].frame, 12);
}

TEST(Dataset, WritingIsDeterministic) {
  TempDir dir;
  write_some(dir / "a", some_pairs());
  write_some(dir / "b", some_pairs());
  for (const char* file : {"dataset.json", "manifest.csv", "invalid.csv", "tokens.npy", "ids.npy",
                           "paths.npy", "tokenizer/spm.model"})
    EXPECT_EQ(read_file(dir / "a" / file), read_file(dir / "b" / file)) << file;
}

TEST(Dataset, DamageIsFound) {
  TempDir dir;
  const auto message = [&](const std::function<void(const std::filesystem::path&)>& damage) {
    const auto set = dir / "set";
    std::filesystem::remove_all(set);
    write_some(set, some_pairs());
    damage(set);
    return invalid_input_of([&] { open_dataset(set); });
  };
  const auto edit = [&](const char* key, const Json& value) {
    return message([&](const auto& set) {
      Json json = read_json(set / "dataset.json");
      json[key] = value;
      write_json(set / "dataset.json", json);
    });
  };
  for (const char* file : {"manifest.csv", "tokens.npy", "ids.npy", "paths.npy"}) {
    EXPECT_NE(message([&](const auto& set) { std::ofstream(set / file, std::ios::app) << "x"; }).find(file),
              std::string::npos);
    EXPECT_NE(message([&](const auto& set) { std::filesystem::remove(set / file); }).find(file),
              std::string::npos);
  }
  EXPECT_NE(
      message([](const auto& set) { std::filesystem::remove(set / "dataset.json"); }).find("dataset.json"),
      std::string::npos);
  EXPECT_NE(
      message([](const auto& set) { std::filesystem::remove_all(set / "tokenizer"); }).find("tokenizer"),
      std::string::npos);
  EXPECT_NE(message([](const auto& set) { write_text(set / "dataset.json", "{"); }).find("JSON"),
            std::string::npos);
  EXPECT_NE(edit("format", 2).find("update edgeclip"), std::string::npos);
  EXPECT_NE(edit("context_length", 13).find("tokens.npy"), std::string::npos);
  EXPECT_NE(edit("counts", Json{{"pairs", 4}}).find("5 records"), std::string::npos);
  EXPECT_NE(edit("files", Json::object()).find("manifest.csv"), std::string::npos);
  EXPECT_NE(invalid_input_of([&] { open_dataset(dir / "nothing"); }).find("not found"), std::string::npos);
}

TEST(Dataset, APathThatLeavesTheImageFolderIsRefused) {
  TempDir dir;
  for (const char* path : {"../secret.png", "/etc/passwd", "a/../../b.png", ""}) {
    std::filesystem::remove_all(dir / "set");
    auto pairs = some_pairs();
    pairs[3].path = path;
    write_some(dir / "set", pairs);
    const std::string message = invalid_input_of([&] { open_dataset(dir / "set"); });
    EXPECT_NE(message.find("manifest.csv: record 4"), std::string::npos) << message;
    EXPECT_NE(message.find("leaves the image folder"), std::string::npos) << message;
  }
}

/// A dataset whose images lie in a folder beside it.
struct Beside {
  TempDir dir;
  Beside() {
    std::filesystem::create_directories(dir / "old/images");
    for (const char* name : {"a.png", "b.png", "c.png"}) write_text(dir / "old/images" / name, "x");
    std::filesystem::create_directory(dir / "old/set");
    write_dataset(dir / "old/set", {.pairs = some_pairs(),
                                    .image_root = dir / "old/images",
                                    .tokenizer = "train:300",
                                    .context_length = 12});
  }
  std::filesystem::path move(const char* from, const char* to) {
    std::filesystem::create_directories((dir / to).parent_path());
    std::filesystem::rename(dir / from, dir / to);
    return dir / to;
  }
  std::filesystem::path root(const char* set, const std::string& given = {}) {
    return open_dataset_with_images(dir / set, given).image_root;
  }
};

TEST(DatasetImages, AreBelowTheStoredRoot) {
  Beside beside;
  EXPECT_EQ(beside.root("old/set"), beside.dir / "old/images");
  beside.move("old/set", "new/set");
  EXPECT_EQ(beside.root("new/set"), beside.dir / "old/images") << "which is where it was";
}

TEST(DatasetImages, AreFoundBesideADatasetThatWasMovedWithThem) {
  Beside beside;
  beside.move("old", "new");
  EXPECT_EQ(beside.root("new/set/"), beside.dir / "new/images");
  EXPECT_EQ(open_dataset(beside.dir / "new/set").image_root, beside.dir / "old/images") << "not looked for";
}

TEST(DatasetImages, AreFoundWhereTheUserSays) {
  Beside beside;
  const auto elsewhere = beside.move("old/images", "elsewhere/pictures");
  const std::string message = invalid_input_of([&] { beside.root("old/set"); });
  for (const auto& part : {(beside.dir / "old/images").string(), (beside.dir / "old/set").string(),
                           std::string("a.png"), std::string("--image-root")})
    EXPECT_NE(message.find(part), std::string::npos) << part << " in " << message;
  EXPECT_EQ(beside.root("old/set", elsewhere.string() + "/"), elsewhere);
  EXPECT_NE(invalid_input_of([&] {
              beside.root("old/set", (beside.dir / "old").string());
            }).find((beside.dir / "old/a.png").string()),
            std::string::npos);
  invalid_input_of([&] { beside.root("old/set", (beside.dir / "nowhere").string()); });
}

TEST(DatasetImages, OneThatIsMissingIsNoMissingFolderAndAGuessNeedsAll) {
  Beside beside;
  std::filesystem::remove(beside.dir / "old/images/b.png");
  EXPECT_EQ(beside.root("old/set"), beside.dir / "old/images");
  beside.move("old", "new");
  invalid_input_of([&] { beside.root("new/set"); });
}

TEST(DatasetImages, TwoFoldersThatHoldThemAreNoAnswer) {
  Beside beside;
  beside.move("old", "new");
  for (const char* name : {"a.png", "b.png", "c.png"}) write_text(beside.dir / "new/set" / name, "x");
  const std::string message = invalid_input_of([&] { beside.root("new/set"); });
  EXPECT_NE(message.find("both"), std::string::npos) << message;
}

TEST(Dataset, BadTokenizerSpecs) {
  TempDir dir;
  for (const char* spec : {"train:", "train:many", "train:20x", "clip:none", ""}) {
    std::filesystem::remove_all(dir / "set");
    std::filesystem::create_directory(dir / "set");
    invalid_input_of([&] { write_dataset(dir / "set", {.pairs = some_pairs(), .tokenizer = spec}); });
  }
  invalid_input_of([&] { write_dataset(dir / "set", {.pairs = some_pairs(), .context_length = 2}); });
}

}  // namespace
}  // namespace edgeclip
