#include "base/csv.h"
#include "cli/command_line.h"
#include "retrieval/gallery_support.h"
#include "support/support.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;
using test::expect_refused;
using test::run_edge;

class GalleryCommandTest : public testing::Test {
 protected:
  GalleryCommandTest() {
    add("g", "a");
    add("h", "b");
  }
  void add(const std::string& name, const std::string& images) {
    GalleryManifest fresh;
    fresh.embedding_space = "space";
    fresh.embedding_dim = 2;
    std::vector<GalleryItem> items = {{images + "0.png", 1}, {images + "1.png", 2}, {images + "2.png", 2}};
    items[0].camera = "gate";
    items[2].time = 1'000'000;
    test::add_to_gallery(at(name), fresh, items, Tensor::from<float>({3, 2}, {1, 0, 0, 1, 0.6F, 0.8F}));
  }
  std::string at(const std::string& name) const { return (dir_ / name).string(); }
  Json done(std::vector<std::string> args) {
    args.insert(args.begin(), "gallery");
    for (const char* more : {"--json", "-", "--quiet"}) args.emplace_back(more);
    const test::Outcome outcome = run_edge(args);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.code == 0 ? Json::parse(outcome.out) : Json();
  }
  std::vector<std::string> paths(const std::string& name) const {
    std::vector<std::string> all;
    for (const GalleryItem& item : test::items_of(open_gallery(at(name)))) all.push_back(item.path);
    return all;
  }
  test::TempDir dir_;
};

TEST_F(GalleryCommandTest, RemovesWhatIsNamed) {
  EXPECT_EQ(done({"remove", "--gallery", at("g"), "--camera", "gate"})["removed"], 1);
  EXPECT_EQ(done({"remove", "--gallery", at("g"), "--item", "1", "--path", "nothing.png"})["removed"], 1);
  EXPECT_EQ(paths("g"), std::vector<std::string>{"a2.png"});
  EXPECT_EQ(done({"remove", "--gallery", at("g"), "--before", "1970-01-01T00:00:01Z"})["removed"], 0);
  EXPECT_EQ(done({"remove", "--gallery", at("g"), "--before", "1970-01-01T00:00:01.5Z"})["removed"], 1);
  EXPECT_EQ(done({"remove", "--gallery", at("h"), "--person", "2", "--path", "b0.png"})["images"], 0);
}

TEST_F(GalleryCommandTest, MergesCompactsAndVerifies) {
  const Json merged = done({"merge", "--gallery", at("all"), "--from", at("g"), "--from", at("h")});
  EXPECT_EQ(merged["images"], 6);
  EXPECT_EQ(merged["segments"], 2);
  EXPECT_EQ(done({"compact", "--gallery", at("all"), "--rows", "int8"})["segments"], 1);
  EXPECT_EQ(open_gallery(at("all")).manifest().rows, DType::i8);
  EXPECT_EQ(done({"compact", "--gallery", at("all")})["rows"], "int8") << "as they are";
  EXPECT_EQ(done({"verify", "--gallery", at("all")})["verified"], true);
  EXPECT_EQ(paths("all").size(), 6u);
  EXPECT_EQ(paths("g").size(), 3u);
}

TEST_F(GalleryCommandTest, WhatIsExportedIsAdded) {
  done({"export", "--gallery", at("g"), "--out", at("table")});
  EXPECT_EQ(done({"add", "--gallery", at("h"), "--embeddings", at("table/embeddings.npy"), "--table", at("table/items.csv")})["added"], 3);
  EXPECT_EQ(done({"add", "--gallery", at("h"), "--embeddings", at("table/embeddings.npy"), "--table", at("table/items.csv")})["added"], 0)
      << "they are there";
  EXPECT_EQ(paths("h"), (std::vector<std::string>{"b0.png", "b1.png", "b2.png", "a0.png", "a1.png", "a2.png"}));
  EXPECT_EQ(open_gallery(at("h")).source(5).image_root, fs::absolute(at("table")));
}

TEST_F(GalleryCommandTest, UpgradesFormat1) {
  fs::copy(test::golden("formats/v1/gallery"), dir_ / "old", fs::copy_options::recursive);
  EXPECT_EQ(done({"upgrade", "--gallery", at("old")})["images"], 6);
  EXPECT_EQ(done({"verify", "--gallery", at("old")})["verified"], true);
}

TEST_F(GalleryCommandTest, NamesWhatIsWrong) {
  expect_refused({"gallery"}, {"verify"});
  expect_refused({"gallery", "shrink", "--gallery", at("g")}, {"shrink", "compact"});
  expect_refused({"gallery", "verify"}, {"--gallery is required"});
  expect_refused({"gallery", "verify", "--gallery", at("none")}, {"none"});
  expect_refused({"gallery", "remove", "--gallery", at("g")}, {"--item"});
  expect_refused({"gallery", "remove", "--gallery", at("g"), "--item", "1x"}, {"--item 1x"});
  expect_refused({"gallery", "remove", "--gallery", at("g"), "--person", "-1"}, {"--person -1", "--item"});
  expect_refused({"gallery", "remove", "--gallery", at("g"), "--camera", ""}, {"--camera"});
  expect_refused({"gallery", "remove", "--gallery", at("g"), "--before", "today"}, {"--before", "2026"});
  expect_refused({"gallery", "compact", "--gallery", at("g"), "--rows", "float64"}, {"float64", "float32"});
  expect_refused({"gallery", "merge", "--gallery", at("g")}, {"--from"});
  expect_refused({"gallery", "merge", "--gallery", at("g"), "--from", at("g") + "/"}, {"itself"});
  expect_refused({"gallery", "upgrade", "--gallery", at("g")}, {"format 2 already"});
  expect_refused({"gallery", "add", "--gallery", at("new"), "--embeddings", "e.npy", "--table", "t.csv"}, {"--plan"});
  expect_refused({"gallery", "export", "--gallery", at("g")}, {"--out is required"});
  EXPECT_EQ(paths("g").size(), 3u);
}

}  // namespace
}  // namespace edgeclip
