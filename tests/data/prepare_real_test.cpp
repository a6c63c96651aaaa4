#include <algorithm>

#include "base/csv.h"
#include "base/file.h"
#include "data/dataset/dataset.h"
#include "data/dataset/prepare.h"
#include "data/image/image.h"
#include "data/text/tokenizer.h"
#include "support/support.h"
#include "support/vtest.h"

/// prepare over the real annotation files ($EDGECLIP_DATA), with broken records put among theirs.
namespace edgeclip {
namespace {

namespace fs = std::filesystem;
using test::TempDir;
using test::write_text;

/// A real annotation file and its images, with six broken records in between.
struct Broken {
  TempDir dir;
  PrepareOptions options;
  Json records;
  std::vector<std::pair<std::int64_t, std::string>> expected;  ///< record, part of its reason

  /// images: a folder, or "" for captions alone.
  Broken(const fs::path& annotations, const fs::path& images) : records(read_json(annotations)) {
    fs::create_directory(dir / "images");
    if (!images.empty()) {
      for (const auto& entry : fs::directory_iterator(images))
        fs::create_symlink(entry.path(), dir.path() / "images" / entry.path().filename());
      const auto first = read_file(images / records[0].at("file_path").get<std::string>());
      write_text(dir / "images/truncated.jpg", first.substr(0, first.size() / 2));
    }
    options.annotations = (dir / "a.json").string();
    options.images = (dir / "images").string();
    options.no_images = images.empty();
    options.out = (dir / "out").string();
    const Json copy = records[0];
    const auto put = [&](const char* key, const Json& value, const char* reason) {
      Json record = copy;
      record[key] = value;
      const auto at =
          static_cast<std::int64_t>(records.size()) * static_cast<std::int64_t>(1 + expected.size()) / 8 + 1;
      records.insert(records.begin() + at, record);
      expected.emplace_back(at, reason);
    };
    if (!options.no_images) put("file_path", "nothing.jpg", "not found");
    put("captions", copy.at("captions"), "duplicate of record 0");
    put("captions", {" "}, "blank");
    put("id", "seven", "id must be an integer");
    put("file_path", "../outside.jpg", "leaves the image folder");
    if (!options.no_images) put("file_path", "truncated.jpg", "truncated.jpg");
    write_json(options.annotations, records);
  }

  /// Prepares, and checks that exactly the broken records are left out, for their reasons.
  Json prepare() {
    const Json report = prepare_dataset(options);
    const auto rows = read_csv_table(fs::path(options.out) / "invalid.csv", {"record", "reason"});
    EXPECT_EQ(rows.size(), expected.size());
    for (std::size_t i = 0; i < std::min(rows.size(), expected.size()); ++i) {
      EXPECT_EQ(rows[i][0], std::to_string(expected[i].first));
      EXPECT_NE(rows[i][1].find(expected[i].second), std::string::npos) << rows[i][1];
    }
    EXPECT_EQ(report.at("records"), records.size());
    EXPECT_EQ(report.at("unusable_records"), expected.size());
    return report;
  }
};

TEST(PrepareGolden, Market1501) {
  EDGECLIP_REQUIRE_DATA(file, "market1501/annotations.json");
  Broken broken(file, file.parent_path() / "images");
  const Json report = broken.prepare();
  EXPECT_EQ(report["counts"]["images"], 10193);
  EXPECT_EQ(report["counts"]["identities"], 601);
  EXPECT_EQ(report["splits"]["train"]["identities"], 451);
  EXPECT_EQ(report["splits"]["val"]["identities"], 50);
  EXPECT_EQ(report["splits"]["test"]["identities"], 100);
  EXPECT_EQ(report["image_sizes"]["different"], 1);
  EXPECT_EQ(report["image_sizes"]["width"]["max"], 64);
  EXPECT_EQ(report["image_sizes"]["height"]["min"], 128);
}

TEST(PrepareGolden, Flickr8k) {
  EDGECLIP_REQUIRE_DATA(file, "flickr8k/annotations.json");
  Broken broken(file, file.parent_path() / "images");
  const Json report = broken.prepare();
  EXPECT_EQ(report["counts"]["images"], 2000);
  EXPECT_EQ(report["splits"]["test"]["images"], 1000);
  EXPECT_EQ(report["captions_per_image"]["max"], 5);
}

TEST(PrepareGolden, CuhkPedesSample) {
  EDGECLIP_REQUIRE_DATA(file, "cuhk_pedes/reid_raw_mini50.json");
  Broken broken(file, file.parent_path() / "imgs");
  EXPECT_EQ(broken.prepare()["counts"]["images"], 50);
}

TEST(PrepareGolden, CuhkPedesCaptionsAlone) {
  EDGECLIP_REQUIRE_DATA(file, "cuhk_pedes/captions_only.json");
  EDGECLIP_REQUIRE_DATA(vocabulary, "vocab/bpe_simple_vocab_16e6.txt.gz");
  Broken broken(file, "");
  broken.options.tokenizer = "clip:" + vocabulary.string();
  broken.options.convention = "huggingface";
  const Json report = broken.prepare();
  EXPECT_EQ(report["counts"]["images"], 8407);
  EXPECT_EQ(report["image_sizes"], nullptr);
  const auto tokenizer = load_tokenizer((fs::path(broken.options.out) / "tokenizer").string());
  EXPECT_EQ(tokenizer->pad_id(), tokenizer->end_id());  // Hugging Face's convention, kept in the dataset
}

TEST(PrepareReal, SurveillanceVideo) {
  EDGECLIP_REQUIRE_VTEST(video);
  TempDir dir;
  PrepareOptions options;
  options.annotations = std::string(EDGECLIP_SOURCE_DIR) + "/examples/vtest_pedes/annotations.json";
  options.images = video.string();
  options.out = (dir / "out").string();
  options.val_from_frame = 320;
  const Json report = prepare_dataset(options);
  EXPECT_EQ(report["records"], 178);
  EXPECT_EQ(report["unusable_records"], 0);
  const Dataset dataset = open_dataset(options.out);
  EXPECT_EQ(dataset.images.size(), 178u);
  for (const auto& image : dataset.images) {
    EXPECT_EQ(image.split, image.frame >= 400 ? "test" : image.frame >= 320 ? "val" : "train");
    EXPECT_GT(read_image(dataset.image_path(image.path)).height, 20);
  }
}

TEST(PrepareReal, BrokenRecordsOfAVideo) {
  EDGECLIP_REQUIRE_VTEST(video);
  TempDir dir;
  Json records = read_json(std::string(EDGECLIP_SOURCE_DIR) + "/examples/vtest_pedes/annotations.json");
  const Json copy = records[0];
  const auto put = [&](const char* key, const Json& value) {
    Json record = copy;
    record[key] = value;
    records.push_back(record);
  };
  put("frame", 795);
  put("frame", "3");
  put("box", {700, 500, 0, 20});
  put("box", {1000, 1000, 20, 20});
  put("captions", {""});
  put("captions", copy.at("captions"));
  write_json(dir / "a.json", records);
  PrepareOptions options;
  options.annotations = (dir / "a.json").string();
  options.images = video.string();
  options.out = (dir / "out").string();
  const Json report = prepare_dataset(options);
  EXPECT_EQ(report["counts"]["images"], 178);
  EXPECT_EQ(report["unusable_records"], 6);
  const char* const reasons[] = {"past the end",      "integer", "box is empty",
                                 "outside the frame", "blank",   "duplicate"};
  const auto rows = read_csv_table(dir / "out/invalid.csv", {"record", "reason"});
  ASSERT_EQ(rows.size(), 6u);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(rows[i][0], std::to_string(178 + i));
    EXPECT_NE(rows[i][1].find(reasons[i]), std::string::npos) << rows[i][1];
  }
}

}  // namespace
}  // namespace edgeclip
