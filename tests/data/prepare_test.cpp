#include "data/dataset/prepare.h"

#include <algorithm>
#include <fstream>
#include <set>

#include "base/csv.h"
#include "base/error.h"
#include "base/file.h"
#include "base/signals.h"
#include "data/dataset/dataset.h"
#include "encode.h"
#include "support/support.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;
using test::filled;
using test::invalid_input_of;
using test::picture;
using test::TempDir;
using test::write_text;

/// A folder of six images and a way to prepare annotations of them.
struct Folder {
  TempDir dir;
  PrepareOptions options;

  Folder() {
    fs::create_directories(dir / "images/sub");
    for (int i = 0; i < 6; ++i)
      write_png(dir / ("images/sub/" + std::to_string(i) + ".png"), picture(16, 32, i));
    options.annotations = (dir / "a.json").string();
    options.images = (dir / "images").string();
    options.out = (dir / "out").string();
    options.tokenizer = "train:200";
    options.context_length = 16;
  }
  static Json record(int i, const char* split = "train") {
    return {{"split", split},
            {"id", i},
            {"file_path", "sub/" + std::to_string(i) + ".png"},
            {"captions", {"A man in a red coat.", "He wears a coat."}}};
  }
  Json prepare(const Json& records) {
    write_json(options.annotations, records);
    return prepare_dataset(options);
  }
  std::string error(const Json& records) {
    const std::string message = invalid_input_of([&] { prepare(records); });
    EXPECT_FALSE(fs::exists(options.out)) << "partial output is left";
    EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()), 2)
        << "a temporary folder is left";
    return message;
  }
  std::string reason(std::int64_t index) {
    for (const auto& row : read_csv_table(fs::path(options.out) / "invalid.csv", {"record", "reason"}))
      if (row[0] == std::to_string(index)) return row[1];
    return "";
  }
};

TEST(Prepare, SharedShape) {
  Folder folder;
  folder.options.prompt = "A photo.";
  folder.options.strip_prefix = "root/";
  Json prefixed = Folder::record(2, "val");
  prefixed["file_path"] = "root/sub/2.png";
  const Json report = folder.prepare({Folder::record(0), Folder::record(1, "test"), prefixed});
  EXPECT_EQ(report["counts"]["pairs"], 6);
  EXPECT_EQ(report["splits"]["val"]["identities"], 1);
  EXPECT_EQ(report["unusable_records"], 0);
  const Dataset dataset = open_dataset(folder.options.out);
  EXPECT_EQ(dataset.images.size(), 3u);
  EXPECT_EQ(dataset.pairs[0].caption, "A photo. A man in a red coat.");
  for (const auto& image : dataset.images) EXPECT_EQ(read_image(dataset.image_path(image.path)).width, 16);
}

TEST(Prepare, ADatasetWithoutImagesSaysSoWhereTheyAreNeeded) {
  Folder folder;
  folder.options.no_images = true;
  folder.prepare({Folder::record(0), Folder::record(1)});
  EXPECT_EQ(open_dataset(folder.options.out).images.size(), 2u);
  const std::string message = invalid_input_of([&] { open_dataset_with_images(folder.options.out); });
  EXPECT_NE(message.find("--no-images"), std::string::npos) << message;
  EXPECT_EQ(open_dataset_with_images(folder.options.out, folder.options.images).image_root,
            folder.dir / "images");
}

TEST(Prepare, EachUnusableRecordIsNamedWithItsReason) {
  Folder folder;
  write_text(folder.dir / "images/broken.png", read_file(folder.dir / "images/sub/0.png").substr(0, 60));
  write_text(folder.dir / "secret.png", read_file(folder.dir / "images/sub/0.png"));
  Json records = {Folder::record(0)};
  std::vector<std::string> expected = {""};
  const auto add = [&](Json record, const char* reason) {
    records.push_back(std::move(record));
    expected.push_back(reason);
  };
  const auto with = [](const char* key, const Json& value) {
    Json record = Folder::record(1);
    record[key] = value;
    return record;
  };
  const auto without = [](const char* key) {
    Json record = Folder::record(1);
    record.erase(key);
    return record;
  };
  add("text", "must be an object");
  add(with("captions", Json::array()), "captions is empty");
  add(with("captions", {" ", ""}), "blank");
  add(with("captions", "one"), "list of strings");
  add(with("captions", {3, 4}), "captions[1]");
  add(without("captions"), "captions is missing");
  add(with("split", "trian"), "did you mean \"train\"");
  add(with("split", 1), "split must be a string");
  add(without("id"), "id is missing");
  add(with("id", "7"), "id must be an integer");
  add(with("id", -1), "out of range");
  add(with("id", 1.5), "id must be an integer");
  add(with("file_path", 5), "file_path must be a string");
  add(with("file_path", ""), "empty");
  add(with("file_path", "../secret.png"), "leaves");
  add(with("file_path", "sub/../../secret.png"), "leaves");
  add(with("file_path", (folder.dir / "secret.png").string()), "leaves");
  add(with("file_path", std::string("sub/1.png\0x", 11)), "zero character");
  add(with("file_path", std::string(5000, 'x')), "not found");
  add(with("file_path", "sub/99.png"), "not found");
  add(with("file_path", "sub"), "folder");
  add(with("file_path", "broken.png"), "broken.png");
  add(Folder::record(0), "duplicate of record 0");
  add(with("file_path", "./sub//0.png"), "another id");
  add(with("captions", {"Good.", " "}), "1 of 2 captions are blank");
  Json partly = Folder::record(2);
  partly["captions"] = {"Better.", 3};
  add(partly, "captions[1] must be a string");
  const Json report = folder.prepare(records);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const std::string reason = folder.reason(static_cast<std::int64_t>(i));
    if (expected[i].empty())
      EXPECT_EQ(reason, "") << i;
    else
      EXPECT_NE(reason.find(expected[i]), std::string::npos) << i << ": " << reason;
  }
  EXPECT_EQ(report["records"], expected.size());
  EXPECT_EQ(report["unusable_records"], expected.size() - 3);
  EXPECT_EQ(report["counts"]["pairs"], 4);
}

TEST(Prepare, FurtherCaptionsOfAnImageAreKept) {
  Folder folder;
  Json more = Folder::record(0);
  more["captions"] = {"He wears a coat.", "Something new."};
  folder.prepare({Folder::record(0), more});
  const Dataset dataset = open_dataset(folder.options.out);
  ASSERT_EQ(dataset.images.size(), 1u);
  EXPECT_EQ(dataset.images[0].rows.size(), 3u);
}

TEST(Prepare, FractionSplitsByIdentity) {
  Folder folder;
  folder.options.split = "0.5";
  folder.options.seed = 3;
  Json records = Json::array();
  for (int i = 0; i < 6; ++i) {
    Json record = Folder::record(i);
    record.erase("split");
    record["id"] = i / 2;
    records.push_back(record);
  }
  folder.prepare(records);
  const auto people = [&](const char* split) {
    const Dataset dataset = open_dataset(folder.options.out);
    std::set<std::int64_t> ids;
    for (const auto i : dataset.split(split)) ids.insert(dataset.images[static_cast<std::size_t>(i)].id);
    return ids;
  };
  const auto train = people("train"), test = people("test");
  EXPECT_EQ(train.size() + test.size(), 3u);
  for (const auto id : test) EXPECT_EQ(train.count(id), 0u);
  folder.options.out = (folder.dir / "again").string();
  folder.prepare(records);
  EXPECT_EQ(people("test"), test);
}

TEST(Prepare, ASecondRunFindsWhatChanged) {
  Folder folder;
  const Json records = {Folder::record(0), Folder::record(1, "test"), Folder::record(2), "no record"};
  const Json first = folder.prepare(records);
  EXPECT_EQ(first["unchanged"], false);
  EXPECT_EQ(first["changed"], Json::array());
  EXPECT_EQ(first["image_sizes"]["width"]["mean"], 16.0);
  EXPECT_EQ(first["image_sizes"]["height"]["max"], 32);
  EXPECT_EQ(first["image_sizes"]["different"], 1);
  const auto before = read_file(fs::path(folder.options.out) / "dataset.json");
  const auto written = fs::last_write_time(fs::path(folder.options.out) / "manifest.csv");

  Json second = folder.prepare(records);
  EXPECT_EQ(second["unchanged"], true);
  EXPECT_EQ(fs::last_write_time(fs::path(folder.options.out) / "manifest.csv"), written);
  for (const char* key : {"counts", "splits", "records", "unusable_records", "source"})
    EXPECT_EQ(second[key], first[key]) << key;

  write_png(folder.dir / "images/sub/1.png", picture(20, 32, 9));
  const std::string refused = invalid_input_of([&] { folder.prepare(records); });
  EXPECT_NE(refused.find("changed: images_hash"), std::string::npos) << refused;
  EXPECT_NE(refused.find("--overwrite"), std::string::npos) << refused;
  EXPECT_EQ(read_file(fs::path(folder.options.out) / "dataset.json"), before);
  folder.options.overwrite = true;
  EXPECT_EQ(folder.prepare(records)["changed"], Json::array({"images_hash"}));
  write_png(folder.dir / "images/sub/1.png", picture(16, 32, 1));
  EXPECT_EQ(folder.prepare(records)["changed"], Json::array({"images_hash"}));
  EXPECT_EQ(read_file(fs::path(folder.options.out) / "dataset.json"), before);  // equal sources, equal bytes

  Json fewer = records;
  fewer.erase(2);
  EXPECT_EQ(folder.prepare(fewer)["changed"], Json::array({"hash", "images_hash"}));
  folder.options.prompt = "A photo of";
  EXPECT_EQ(folder.prepare(fewer)["changed"], Json::array({"prompt"}));
  write_text(fs::path(folder.options.out) / "tokens.npy", "damaged");
  const Json mended = folder.prepare(fewer);
  EXPECT_NE(mended["changed"][0].get<std::string>().find("tokens.npy"), std::string::npos);
  EXPECT_EQ(folder.prepare(fewer)["unchanged"], true);
  fs::remove(fs::path(folder.options.out) / "invalid.csv");
  EXPECT_EQ(folder.prepare(fewer)["unchanged"], false);
  EXPECT_TRUE(fs::exists(fs::path(folder.options.out) / "invalid.csv"));
}

TEST(Prepare, WhatAnEarlierRecordHasSaidIsADuplicate) {
  Folder folder;
  Json twice = Folder::record(0), more = Folder::record(0);
  twice["captions"] = {"A man.", "A man."};  // as annotated
  more["captions"] = {"A man.", "A tall man."};
  EXPECT_EQ(folder.prepare({twice, more})["counts"]["pairs"], 3);
  EXPECT_EQ(folder.reason(0), "");
  EXPECT_NE(folder.reason(1).find("1 of 2 captions are duplicates"), std::string::npos);
}

TEST(Prepare, ATokenizerThatIsNotThereIsSaidBeforeImagesAreRead) {
  Folder folder;
  folder.options.tokenizer = "clip:/nothing.gz";
  folder.options.images = (folder.dir / "images").string();
  write_text(folder.dir / "images/sub/0.png", "no image");
  EXPECT_NE(folder.error(Json::array({Folder::record(0)})).find("/nothing.gz"), std::string::npos);
}

TEST(Prepare, DeepJsonIsRefused) {
  Folder folder;
  write_text(folder.options.annotations, std::string(300000, '[') + std::string(300000, ']'));
  EXPECT_NE(invalid_input_of([&] { prepare_dataset(folder.options); }).find("nested more than 256"),
            std::string::npos);
}

TEST(Prepare, ThePrefixMayEndBeforeTheSlash) {
  Folder folder;
  Json prefixed = Folder::record(2);
  prefixed["file_path"] = "root/sub/2.png";
  folder.options.strip_prefix = "root";
  EXPECT_EQ(folder.prepare(Json::array({prefixed}))["counts"]["images"], 1);
}

TEST(Prepare, FilesThatCannotBeUsedGiveOneLine) {
  Folder folder;
  EXPECT_NE(folder.error(Json::object()).find("of no known format"), std::string::npos);
  EXPECT_NE(folder.error(Json::array()).find("no records"), std::string::npos);
  Json bare = Folder::record(0);
  bare.erase("captions");
  EXPECT_NE(folder.error({bare, bare}).find("none of its 2 records has a caption"), std::string::npos);
  Json missing = Folder::record(0);
  missing["file_path"] = "nothing.png";
  EXPECT_NE(folder.error(Json::array({missing})).find("nothing.png"), std::string::npos);
  folder.options.split = "1.5";
  EXPECT_NE(folder.error(Json::array({Folder::record(0)})).find("--split"), std::string::npos);
  folder.options.split = "0.2";
  EXPECT_NE(folder.error(Json::array({Folder::record(0)})).find("two identities"), std::string::npos);
  folder.options.split = "annotated";
  folder.options.val_from_frame = 3;
  EXPECT_NE(folder.error(Json::array({Folder::record(0)})).find("no video"), std::string::npos);
  folder.options.val_from_frame = -1;
  folder.options.format = "icgf";
  EXPECT_NE(folder.error(Json::array({Folder::record(0)})).find("\"icfg\""), std::string::npos);
  folder.options.format = "auto";
  folder.options.images += "/none";
  EXPECT_NE(folder.error(Json::array({Folder::record(0)})).find("not found"), std::string::npos);
}

TEST(Prepare, ImagesInTheOutputFolderStay) {
  Folder f;
  f.prepare({Folder::record(0), Folder::record(1)});
  fs::rename(f.dir / "images", f.dir / "out/images");
  f.options.images = (f.dir / "out/images").string();
  f.options.overwrite = true;
  const std::string message = invalid_input_of([&] { prepare_dataset(f.options); });
  EXPECT_NE(message.find("would go with it"), std::string::npos) << message;
  EXPECT_TRUE(fs::exists(f.dir / "out/images/sub/0.png"));
}

TEST(Prepare, AnInterruptLeavesNothing) {
  Folder folder;
  set_interrupted(true);
  EXPECT_THROW(folder.prepare(Json::array({Folder::record(0)})), Interrupted);
  set_interrupted(false);
  EXPECT_FALSE(fs::exists(folder.options.out));
}

/// Six frames of one colour each with a white square at (8 i, 4).
std::string moving_square() {
  std::vector<Image> frames;
  for (int i = 0; i < 6; ++i) {
    frames.push_back(filled(64, 48, static_cast<std::uint8_t>(30 * i), 20, 60));
    for (int y = 4; y < 12; ++y) std::fill_n(frames.back().row(y) + 24 * i, 24, 255);
  }
  return test::encode_video(frames);
}

Json video_record(int frame, const Json& box, const char* split = "train") {
  return {{"split", split}, {"id", 5},    {"file_path", "clip/x.jpg"},
          {"frame", frame}, {"box", box}, {"captions", {"A white square."}}};
}

TEST(PrepareVideo, CropsAreCutFromTheirFrames) {
  Folder folder;
  write_text(folder.dir / "images/clip.avi", moving_square());
  folder.options.images = (folder.dir / "images/clip.avi").string();
  folder.options.val_from_frame = 3;
  const Json records = {video_record(4, {32, 4, 8, 8}),
                        video_record(1, {8, 4, 8, 8}),
                        video_record(2, {-5, -5, 21, 10}, "test"),
                        video_record(0, {60, 40, 100, 100}),
                        video_record(6, {0, 0, 4, 4}),
                        video_record(3, {64, 0, 4, 4}),
                        video_record(3, {1, 1, 0, 4}),
                        video_record(3, {1, 1, 4}),
                        video_record(3, {1, 1, "4", 4}),
                        video_record(-1, {1, 1, 4, 4})};
  const Json report = folder.prepare(records);
  EXPECT_EQ(report["source"]["format"], "video");
  EXPECT_EQ(report["unusable_records"], 6);
  const Dataset dataset = open_dataset(folder.options.out);
  ASSERT_EQ(dataset.images.size(), 4u);
  EXPECT_EQ(dataset.images[0].split, "val");
  EXPECT_EQ(dataset.images[1].split, "train");
  EXPECT_EQ(dataset.images[2].split, "test");
  EXPECT_EQ(dataset.images[0].frame, 4);
  EXPECT_EQ(dataset.images[0].path, "crops/clip_000004_32_4_8_8.png");
  for (const int i : {0, 1}) {
    const Image square = read_image(dataset.image_path(dataset.images[static_cast<std::size_t>(i)].path));
    EXPECT_EQ(square.width, 8);
    EXPECT_GE(*std::min_element(square.rgb.begin(), square.rgb.end()), 250);
  }
  const Image clipped = read_image(dataset.image_path(dataset.images[2].path));
  EXPECT_EQ(clipped.width, 16);
  EXPECT_EQ(clipped.height, 5);
  EXPECT_EQ(read_image(dataset.image_path(dataset.images[3].path)).height, 8);
  EXPECT_NE(folder.reason(4).find("past the end"), std::string::npos);
  EXPECT_NE(folder.reason(5).find("outside the frame (64 x 48)"), std::string::npos);
  EXPECT_NE(folder.reason(6).find("box is empty"), std::string::npos);
  EXPECT_NE(folder.reason(7).find("four numbers"), std::string::npos);
  EXPECT_NE(folder.reason(8).find("numbers"), std::string::npos);
  EXPECT_NE(folder.reason(9).find("frame -1"), std::string::npos);
}

TEST(PrepareVideo, AFolderOfVideos) {
  Folder folder;
  write_text(folder.dir / "images/clip.avi", moving_square());
  write_text(folder.dir / "images/sub/clip.avi", moving_square());
  write_text(folder.dir / "images/other.avi", "no video");
  Json named = video_record(1, {8, 4, 8, 8}), missing = named, broken = named, untold = named;
  named["video"] = "sub/clip.avi";
  missing["video"] = "none.avi";
  broken["video"] = "other.avi";
  untold["file_path"] = "x.jpg";
  folder.prepare({video_record(1, {8, 4, 8, 8}), named, missing, broken, untold});
  const Dataset dataset = open_dataset(folder.options.out);
  ASSERT_EQ(dataset.images.size(), 2u);
  EXPECT_NE(dataset.images[0].path, dataset.images[1].path);
  EXPECT_NE(folder.reason(2).find("not found"), std::string::npos);
  EXPECT_NE(folder.reason(3).find("cannot be opened"), std::string::npos);
  EXPECT_NE(folder.reason(4).find("video is missing"), std::string::npos);
}

TEST(PrepareVideo, AVideoThatCannotBeOpened) {
  Folder folder;
  write_text(folder.dir / "images/clip.avi", "no video");
  folder.options.images = (folder.dir / "images/clip.avi").string();
  EXPECT_NE(folder.error(Json::array({video_record(1, {8, 4, 8, 8})})).find("clip.avi"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip
