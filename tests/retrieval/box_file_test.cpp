#include "retrieval/index/box_file.h"

#include <gtest/gtest.h>

#include "retrieval/fake_encoder.h"
#include "retrieval/gallery_support.h"
#include "retrieval/index/describe_items.h"
#include "retrieval/index/indexing.h"
#include "support/support.h"
#include "support/vtest.h"

namespace edgeclip {
namespace {

std::string refused(const std::filesystem::path& file, const std::string& text) {
  test::write_text(file, text);
  return test::invalid_input_of([&] { read_box_file(file, 0); });
}

TEST(BoxFile, Mot) {
  test::TempDir dir;
  test::write_text(dir / "gt.txt",
                   "1,7,11,21,30,60,1,1,0.9\r\n"
                   "1,8,101,21,30,60,1,3,0.9\n"  // a bicycle
                   "1,9,101,21,30,60,0,1,0.9\n"  // does not count
                   "\n3, -1, 5.5, 6, 7, 8, 0.75, -1, -1, -1\n"
                   "3,-1,5,6,7,8,0.25,-1,-1,-1\n"  // below the score
                   "4,1,5,6,0,8,1,-1,-1,-1\n"
                   "5,2,0,1,2,3\n");
  const BoxFile boxes = read_box_file(dir / "gt.txt", 0.5);
  EXPECT_EQ(boxes.left_out, 4);
  ASSERT_EQ(boxes.by_frame.size(), 3u);
  EXPECT_EQ(boxes.by_frame.at(0).at(0).box, (Box{10, 20, 30, 60}));
  EXPECT_EQ(boxes.by_frame.at(0).at(0).track, 7);
  EXPECT_EQ(boxes.by_frame.at(2).at(0).box, (Box{4.5F, 5, 7, 8}));
  EXPECT_EQ(boxes.by_frame.at(2).at(0).track, -1);
  EXPECT_EQ(boxes.by_frame.at(4).at(0).box, (Box{-1, 0, 2, 3}));
}

TEST(BoxFile, Coco) {
  test::TempDir dir;
  test::write_text(dir / "coco.json", R"({"categories": [{"id": 1, "name": "bicycle"}, {"id": 4, "name": "person"}],
    "images": [{"id": 30, "file_name": "cam/a.jpg", "frame_id": 5}, {"id": 31, "file_name": "cam/b.jpg"}],
    "annotations": [{"image_id": 30, "category_id": 4, "bbox": [1, 2, 3, 4], "track_id": 12},
                    {"image_id": 30, "category_id": 1, "bbox": [1, 2, 3, 4]},
                    {"image_id": 31, "category_id": 4, "bbox": [5, 6, 7, 8], "iscrowd": 1},
                    {"image_id": 31, "category_id": 4, "bbox": [5.5, 6, 7, 8], "instance_id": 3}]})");
  const BoxFile boxes = read_box_file(dir / "coco.json", 0);
  EXPECT_EQ(boxes.left_out, 2);
  EXPECT_EQ(boxes.by_frame.at(5).at(0).box, (Box{1, 2, 3, 4}));
  EXPECT_EQ(boxes.by_frame.at(5).at(0).track, 12);
  EXPECT_EQ(boxes.by_frame.at(31).at(0).track, 3);
  EXPECT_EQ(boxes.by_name.at("cam/b.jpg").size(), 1u);

  test::write_text(dir / "detections.json", R"([{"image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.9},
    {"image_id": 2, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.1}, {"image_id": 2, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.9}])");
  const BoxFile detections = read_box_file(dir / "detections.json", 0.5);
  EXPECT_EQ(detections.by_frame.size(), 1u);
  EXPECT_EQ(detections.left_out, 2);
}

TEST(BoxFile, RecordsOfAPreparedVideo) {
  test::TempDir dir;
  test::write_text(dir / "a.json", R"([{"frame": 3, "box": [1, 2, 3, 4], "id": 9, "captions": []}, {"frame": 3, "box": [5, 6, 7, 8]}])");
  const BoxFile boxes = read_box_file(dir / "a.json", 0);
  ASSERT_EQ(boxes.by_frame.at(3).size(), 2u);
  EXPECT_EQ(boxes.by_frame.at(3)[0].person, 9);
  EXPECT_EQ(boxes.by_frame.at(3)[1].person, -1);
  EXPECT_NE(refused(dir / "a.json", R"([{"box": [1, 2, 3, 4]}])").find("record 0"), std::string::npos);
}

TEST(BoxFile, WhatIsWrongIsNamed) {
  test::TempDir dir;
  EXPECT_NE(refused(dir / "a", "").find("is empty"), std::string::npos);
  EXPECT_NE(refused(dir / "a", "1,2,3\n").find("line 1: has 3 numbers"), std::string::npos);
  EXPECT_NE(refused(dir / "a", "1,2,3,4,5,6\nframe,7\n").find("line 2: is neither"), std::string::npos);
  EXPECT_NE(refused(dir / "a", "0,1,2,3,4,5\n").find("count from 1"), std::string::npos);
  EXPECT_NE(refused(dir / "a", "1,1,nan,3,4,5\n").find("none in pixels"), std::string::npos);
  EXPECT_NE(refused(dir / "a", "{}").find("annotations"), std::string::npos);
  EXPECT_NE(refused(dir / "a", R"({"annotations": [], "categories": []})").find("person"), std::string::npos);
  EXPECT_NE(refused(dir / "a", R"([{"image_id": 1, "bbox": [1, 2, 3]}])").find("detection 0: bbox: has 3"), std::string::npos);
  EXPECT_NE(refused(dir / "a", R"({"images": [{"id": 1}], "annotations": [{"image_id": 2, "bbox": [1, 2, 3, 4]}]})").find("none of the images"),
            std::string::npos);
  EXPECT_NE(refused(dir / "a", R"([{"image_id": 1, "bbox": [1, 2, 0, 4]}])").find("no box of a person"), std::string::npos);
}

TEST(BoxFile, ImagesBecomeTheirBoxes) {
  test::TempDir dir;
  test::write_images(dir / "images", 3);  // 00.png, 01.png, 02.png
  ImageSource by_name = open_image_source(dir / "images");
  test::write_text(dir / "coco.json", R"({"images": [{"id": 1, "file_name": "train/02.png"}, {"id": 2, "file_name": "00.png"}],
    "annotations": [{"image_id": 1, "bbox": [0, 0, 2, 2]}, {"image_id": 2, "bbox": [0, 0, 3, 3]}, {"image_id": 2, "bbox": [1, 1, 3, 3]}]})");
  apply_box_file(by_name, dir / "coco.json", 0);
  ASSERT_EQ(by_name.items.size(), 3u);
  EXPECT_EQ(by_name.items[0].path, "00.png");
  EXPECT_EQ(by_name.items[1].box, (Box{1, 1, 3, 3}));
  EXPECT_EQ(by_name.items[2].path, "02.png");
  ImageSource by_place = open_image_source(dir / "images");
  test::write_text(dir / "gt.txt", "2,1,1,1,2,2\n");
  apply_box_file(by_place, dir / "gt.txt", 0);
  ASSERT_EQ(by_place.items.size(), 1u);
  EXPECT_EQ(by_place.items[0].path, "01.png");
  test::write_text(dir / "gt.txt", "9,1,1,1,2,2\n");
  ImageSource none = open_image_source(dir / "images");
  EXPECT_NE(test::invalid_input_of([&] { apply_box_file(none, dir / "gt.txt", 0); }).find("none of the images"), std::string::npos);
}

TEST(BoxFileData, BoxesOfAVideoAreItsItems) {
  EDGECLIP_REQUIRE_VTEST(video);
  test::TempDir dir;
  test::write_text(dir / "boxes.txt",
                   "3,1,11,21,40,90,1,-1,-1,-1\n3,2,101,21,40,90,1,-1,-1,-1\n5,1,12,21,40,90,1,-1,-1,-1\n5,3,5000,1,40,90,1,-1,-1,-1\n9999,1,1,1,2,2\n");
  ItemDescription description;
  description.boxes = (dir / "boxes.txt").string();
  ImageSource source = open_image_source(video);
  describe_items(source, description);
  test::FakeEncoder encoder;
  const IndexReport report = index_images(encoder, source, dir / "g", {});
  EXPECT_EQ(report.indexed, 3);
  EXPECT_EQ(report.failed.size(), 1u) << "outside of the frame";
  const GallerySnapshot gallery = open_gallery(dir / "g");
  const auto items = test::items_of(gallery);
  ASSERT_EQ(items.size(), 3u);
  EXPECT_EQ(shown_path(items[1]), "vtest.avi#frame=2&xywh=100,20,40,90");
  EXPECT_EQ(items[2].frame, 4);
  EXPECT_EQ(items[2].track, 1);
  ItemReader reader;
  EXPECT_EQ(reader.read(gallery.file_of(0), items[0], gallery.source(0)).width, 40);
  test::FakeEncoder again;
  index_images(again, source, dir / "g", {});
  EXPECT_EQ(again.image_calls, 0);
}

}  // namespace
}  // namespace edgeclip
