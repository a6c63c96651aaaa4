#include "data/image/archive.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/file.h"
#include "retrieval/encode.h"
#include "retrieval/fake_encoder.h"
#include "retrieval/gallery_support.h"
#include "retrieval/index/describe_items.h"
#include "retrieval/index/indexing.h"
#include "support/support.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

/// A tar of these files in this order, as POSIX has it (ustar).
std::string tar_of(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string tar;
  for (const auto& [name, bytes] : files) {
    std::string head(512, '\0');
    const auto put = [&](std::size_t at, const std::string& text) { std::copy(text.begin(), text.end(), head.begin() + static_cast<std::ptrdiff_t>(at)); };
    put(0, name);
    put(100, "0000644");
    put(108, "0000000");
    put(116, "0000000");
    put(124, fmt::format("{:011o}", bytes.size()));
    put(136, "00000001750");  // 1000 s
    put(156, "0");
    put(257, std::string("ustar\00000", 8));
    put(148, "        ");
    unsigned sum = 0;
    for (const char c : head) sum += static_cast<unsigned char>(c);
    put(148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
    tar += head + bytes + std::string((512 - bytes.size() % 512) % 512, '\0');
  }
  return tar + std::string(1024, '\0');
}

class Archive : public testing::Test {
 protected:
  void SetUp() override {
    paths_ = test::write_images(dir_ / "images", 9);
    std::vector<std::pair<std::string, std::string>> files = {{"./", ""}, {"notes.txt", "no image"}};
    for (const auto& path : paths_) files.emplace_back("./cam1/" + fs::path(path).filename().string(), read_file(path));
    files.emplace_back("cam1/broken.png", "no image");
    files.emplace_back("../out.png", read_file(paths_[0]));
    test::write_text(dir_ / "a.tar", tar_of(files));
  }
  test::TempDir dir_;
  std::vector<fs::path> paths_;
};

TEST_F(Archive, ItsImagesAreIndexedAsTheyAreRead) {
  ImageSource source = open_image_source(dir_ / "a.tar");
  EXPECT_EQ(source.kind, "archive");
  ItemDescription description;
  description.name_pattern = "cam{camera}/*";
  describe_items(source, description);
  test::FakeEncoder encoder;
  const IndexReport report = index_images(encoder, source, dir_ / "g", {});
  EXPECT_EQ(report.indexed, 9);
  ASSERT_EQ(report.failed.size(), 1u);
  EXPECT_EQ(report.failed[0].first, "cam1/broken.png");
  const GallerySnapshot gallery = open_gallery(dir_ / "g");
  test::FakeEncoder plain;
  const Tensor expected = encode_image_files(plain, paths_);
  EXPECT_EQ(std::memcmp(test::rows_of(gallery).raw(), expected.raw(), expected.bytes()), 0);
  const auto items = test::items_of(gallery);
  EXPECT_EQ(items[3].path, "cam1/03.png");
  EXPECT_EQ(items[3].camera, "1");
  EXPECT_EQ(items[3].file_time, 1000 * std::int64_t{1000000000});
  ItemReader reader;
  for (const std::int64_t k : {2, 7, 0})
    EXPECT_EQ(reader.read(gallery.file_of(k), items[static_cast<std::size_t>(k)], gallery.source(k)).rgb, read_image(paths_[static_cast<std::size_t>(k)]).rgb);

  test::FakeEncoder again;
  EXPECT_TRUE(index_images(again, source, dir_ / "g", {}).unchanged);
  EXPECT_EQ(again.image_calls, 0);
  // Moved: found where the user says.
  fs::create_directory(dir_ / "elsewhere");
  fs::rename(dir_ / "a.tar", dir_ / "elsewhere/a.tar");
  GallerySnapshot moved = open_gallery(dir_ / "g");
  EXPECT_NE(test::invalid_input_of([&] { moved.find_images(""); }).find("--image-root"), std::string::npos);
  moved.find_images((dir_ / "elsewhere").string());
  EXPECT_EQ(reader.read(moved.file_of(1), items[1], moved.source(1)).rgb, read_image(paths_[1]).rgb);
}

TEST_F(Archive, ACompressedOneToo) {
  ASSERT_EQ(std::system(("gzip -k " + (dir_ / "a.tar").string()).c_str()), 0);
  test::FakeEncoder encoder;
  EXPECT_EQ(index_images(encoder, open_image_source(dir_ / "a.tar.gz"), dir_ / "g", {}).indexed, 9);
}

TEST_F(Archive, ShardsAreAPartition) {
  std::vector<std::string> all;
  for (int i = 1; i <= 3; ++i) {
    test::FakeEncoder encoder;
    IndexOptions options;
    options.shard = fmt::format("{}/3", i);
    options.overwrite = true;
    index_images(encoder, open_image_source(dir_ / "a.tar"), dir_ / "g", options);
    for (const auto& item : test::items_of(open_gallery(dir_ / "g"))) all.push_back(item.path);
  }
  std::sort(all.begin(), all.end());
  ASSERT_EQ(all.size(), 9u);
  EXPECT_EQ(std::unique(all.begin(), all.end()), all.end());
}

TEST_F(Archive, OneThatIsCutOffIsSaidAndGoneOnWithLater) {
  const std::string whole = read_file(dir_ / "a.tar");
  test::write_text(dir_ / "a.tar", whole.substr(0, 5 * 1024));
  test::FakeEncoder encoder;
  const IndexReport report = index_images(encoder, open_image_source(dir_ / "a.tar"), dir_ / "g", {});
  EXPECT_GT(report.indexed, 0);
  EXPECT_LT(report.indexed, 9);
  EXPECT_FALSE(open_gallery(dir_ / "g").manifest().complete());
  test::write_text(dir_ / "a.tar", whole);
  test::FakeEncoder rest;
  EXPECT_EQ(index_images(rest, open_image_source(dir_ / "a.tar"), dir_ / "g", {}).indexed, 9);
  EXPECT_TRUE(open_gallery(dir_ / "g").manifest().complete());
  std::int64_t encoded = 0;
  for (const auto batch : rest.batches) encoded += batch;
  EXPECT_EQ(encoded, 9 - report.indexed);
}

TEST_F(Archive, WhatIsNoneIsSaid) {
  test::write_text(dir_ / "b.tar", "no archive");
  test::FakeEncoder encoder;
  EXPECT_NE(test::invalid_input_of([&] { index_images(encoder, open_image_source(dir_ / "b.tar"), dir_ / "g", {}); }).find("b.tar"), std::string::npos);
  EXPECT_FALSE(fs::exists(dir_ / "g"));
  test::write_text(dir_ / "c.tar", tar_of({{"notes.txt", "x"}}));
  EXPECT_NE(test::invalid_input_of([&] { index_images(encoder, open_image_source(dir_ / "c.tar"), dir_ / "g", {}); }).find("no images"), std::string::npos);
  ItemDescription description;
  description.boxes = "boxes.txt";
  ImageSource source = open_image_source(dir_ / "a.tar");
  EXPECT_NE(test::invalid_input_of([&] { describe_items(source, description); }).find("unpack"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip
