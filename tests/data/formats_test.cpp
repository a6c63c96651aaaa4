#include "data/dataset/formats.h"

#include <gtest/gtest.h>

#include "data/dataset/annotations.h"
#include "support/support.h"

/// Small files in the published layouts, with broken records: nothing but those is lost.
namespace edgeclip {
namespace {

namespace fs = std::filesystem;

struct Formats : testing::Test {
  test::TempDir dir;

  Annotations read(const std::string& name, const std::string& text, const std::string& format = "auto",
                   bool need_split = true) {
    test::write_text(dir / name, text);
    return read_annotations((dir / name).string(), format, "", need_split);
  }
  static std::vector<std::string> reasons(const Annotations& a) {
    std::vector<std::string> list;
    for (const auto& r : a.rejections) list.push_back(std::to_string(r.index) + ": " + r.reason);
    return list;
  }
};

TEST_F(Formats, CuhkAndIcfg) {
  const Annotations a = read("reid_raw.json", R"([
    {"split": "train", "captions": ["A man.", "He walks."], "file_path": "cam_a/001.png", "processed_tokens": [["a"]], "id": 1},
    {"split": "test", "captions": ["A woman."], "file_path": "cam_b/002.png", "processed_tokens": [["a"]], "id": 2},
    {"split": "test", "captions": [7], "file_path": "cam_b/003.png", "id": 2}])");
  EXPECT_EQ(a.format, "reid");
  ASSERT_EQ(a.records.size(), 2u);
  EXPECT_EQ(a.records[0].captions.size(), 2u);
  EXPECT_EQ(a.records[1].path, "cam_b/002.png");
  EXPECT_EQ(reasons(a), std::vector<std::string>{"2: captions[0] must be a string, not the number 7"});
}

TEST_F(Formats, RstpReidNamesItsPathsDifferently) {
  const Annotations a = read("data_captions.json", R"([
    {"id": 0, "img_path": "0000_c14_0031.jpg", "captions": ["a", "b"], "split": "train"},
    {"id": 1, "captions": ["a"], "split": "val"}])",
                             "rstp");
  ASSERT_EQ(a.records.size(), 1u);
  EXPECT_EQ(a.records[0].path, "0000_c14_0031.jpg");
  EXPECT_EQ(reasons(a), std::vector<std::string>{"1: file_path is missing"});
}

TEST_F(Formats, KarpathyJson) {
  const Annotations a = read("dataset_flickr30k.json", R"({"dataset": "flickr30k", "images": [
    {"sentids": [0, 1], "imgid": 0, "sentences": [{"tokens": ["a"], "raw": "Two men.", "imgid": 0, "sentid": 0}, {"raw": "Men."}],
     "split": "train", "filename": "1000092795.jpg"},
    {"sentences": [{"raw": "A dog."}], "split": "restval", "filename": "2.jpg", "filepath": "val2014"},
    {"sentences": [], "split": "test", "filename": "3.jpg"},
    {"sentences": [{"raw": "x"}], "split": "test"}]})");
  EXPECT_EQ(a.format, "flickr");
  ASSERT_EQ(a.records.size(), 2u);
  EXPECT_EQ(a.records[0].captions, (std::vector<std::string>{"Two men.", "Men."}));
  EXPECT_EQ(a.records[1].path, "val2014/2.jpg");
  EXPECT_EQ(a.records[1].split, "train");
  EXPECT_EQ(reasons(a), (std::vector<std::string>{"2: captions is empty", "3: an image without filename"}));
}

TEST_F(Formats, FlickrTokenFile) {
  const Annotations a = read(
      "results.token", "1.jpg#0\tA child .\n1.jpg#1\tA girl .\r\n\n2.jpg#0\tA dog .\nno token\n2.jpg#1\t \n",
      "auto", false);
  EXPECT_EQ(a.format, "flickr");
  ASSERT_EQ(a.records.size(), 2u);
  EXPECT_EQ(a.records[0].captions, (std::vector<std::string>{"A child .", "A girl ."}));
  EXPECT_EQ(a.records[1].id, 1);
  EXPECT_EQ(reasons(a), (std::vector<std::string>{"1: 1 of 2 captions are blank; the others are used",
                                                  "2: line 5 is not \"image.jpg#0<tab>caption\""}));
}

TEST_F(Formats, CocoCaptions) {
  const Annotations a = read("captions_val2017.json", R"({"info": {}, "images": [
    {"id": 397133, "file_name": "000000397133.jpg", "height": 427, "width": 640},
    {"id": 37777, "file_name": "000000037777.jpg"}, {"id": 5}], "annotations": [
    {"image_id": 397133, "id": 1, "caption": "A man in a kitchen."}, {"image_id": 397133, "id": 2, "caption": "A cook."},
    {"image_id": 99, "id": 3, "caption": "?"}, {"image_id": 37777, "id": 4, "caption": "A kitchen."}, {"id": 5}]})",
                             "auto", false);
  EXPECT_EQ(a.format, "coco");
  ASSERT_EQ(a.records.size(), 2u);
  EXPECT_EQ(a.records[0].id, 397133);
  EXPECT_EQ(a.records[0].captions.size(), 2u);
  EXPECT_EQ(reasons(a), (std::vector<std::string>{"2: an image without id or file_name",
                                                  "3: a caption of image 99, which is not listed",
                                                  "4: an annotation without image_id or caption"}));
}

TEST_F(Formats, CsvAndTsv) {
  const std::string expected = "1: id must be an integer, not the string \"x\"";
  const Annotations a =
      read("a.csv", "split,id,file_path,caption\ntrain,7,a.jpg,\"A man, walking\"\ntest,x,b.jpg,A\n");
  EXPECT_EQ(a.format, "csv");
  ASSERT_EQ(a.records.size(), 1u);
  EXPECT_EQ(a.records[0].captions[0], "A man, walking");
  EXPECT_EQ(reasons(a), std::vector<std::string>{expected});
  const Annotations b =
      read("a.tsv", "image\ttext\na.jpg\tA \"man\"\nb.jpg\tA dog\na.jpg\tHe\nb.jpg\n", "auto", false);
  ASSERT_EQ(b.records.size(), 3u);
  EXPECT_EQ(b.records[0].id, b.records[2].id);
  EXPECT_NE(b.records[0].id, b.records[1].id);
  EXPECT_EQ(b.records[0].captions[0], "A \"man\"");
  EXPECT_EQ(reasons(b), std::vector<std::string>{"3: row 4 has 1 columns, the header 2"});
}

TEST_F(Formats, FolderTree) {
  const Annotations a =
      read("captions.txt", "0012/a.jpg\tA man\n0012/b.jpg\tHe\n0000/c.jpg\tA woman\nabc/d.jpg\tX\n", "auto",
           false);
  EXPECT_EQ(a.format, "tree");
  ASSERT_EQ(a.records.size(), 3u);
  EXPECT_EQ(a.records[0].id, 12);
  EXPECT_EQ(a.records[2].id, 0);
  EXPECT_EQ(reasons(a), std::vector<std::string>{"3: id must be an integer, not the string \"abc\""});
}

TEST_F(Formats, WhatIsOfNoFormatIsSaidInOneLine) {
  const auto message = [&](const std::string& text, const std::string& format) {
    return test::invalid_input_of([&] { read("f", text, format); });
  };
  EXPECT_NE(message("hello", "auto").find("of no known format"), std::string::npos);
  EXPECT_NE(message("[]", "coco").find("is not of format coco"), std::string::npos);
  EXPECT_NE(message("[]", "cocoo").find("did you mean \"coco\""), std::string::npos);
  EXPECT_NE(message(" \n", "auto").find("is empty"), std::string::npos);
  EXPECT_NE(message("{\"images\": 3}", "auto").find("of no known format"), std::string::npos);
  EXPECT_NE(message("\xff\xfe", "auto").find("UTF-8"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip
