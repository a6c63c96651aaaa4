#include "retrieval/index/name_pattern.h"

#include <gtest/gtest.h>

#include "retrieval/gallery/time_text.h"
#include "support/support.h"

namespace edgeclip {
namespace {

GalleryItem read(const std::string& pattern, const std::string& path, std::int64_t zone = 0) {
  GalleryItem item{path};
  EXPECT_TRUE(NamePattern(pattern, zone).read(item)) << pattern << " of " << path;
  return item;
}

TEST(NamePattern, ReadsPersonCameraAndFrame) {
  const GalleryItem item = read("{person}_c{camera}s*_{frame}_*", "bounding_box/0002_c1s1_000451_03.jpg");
  EXPECT_EQ(item.id, 2);
  EXPECT_EQ(item.camera, "1");
  EXPECT_EQ(item.frame, 451);
  EXPECT_EQ(read("{person}_c{camera}s*_{frame}_*", "-1_c6s4_2_1.png").id, -1) << "Market-1501's junk";
}

TEST(NamePattern, ReadsFoldersAndTimes) {
  const GalleryItem item = read("{camera}/{time:%Y%m%d-%H%M%S}_*", "site 3/gate (north)/20260131-133005_0001.jpg", 3600);
  EXPECT_EQ(item.camera, "gate (north)");
  EXPECT_EQ(time_string(item.time), "2026-01-31T12:30:05Z");
  EXPECT_EQ(time_string(read("cam*_{time:%s}", "cam1_1769862605.jpg", 3600).time), "2026-01-31T12:30:05Z") << "seconds since 1970 have no zone";
  EXPECT_EQ(time_string(read("{time:%y-%j}", "26-031.png").time), "2026-01-31T00:00:00Z");
  EXPECT_EQ(read("t{track}.v2", "t17.v2.jpg").track, 17) << "a point is a point";
}

TEST(NamePattern, LeavesOtherNamesAlone) {
  const NamePattern pattern("{person}_c{camera}_{time:%Y%m%d}", 0);
  for (const char* path : {"a_c1_20260131.jpg", "1_c1_2026013.jpg", "1_c1_20261331.jpg", "1_c1_20260131_2.jpg", "99999999999999999999_c1_20260131.jpg"}) {
    GalleryItem item{path, 7};
    EXPECT_FALSE(pattern.read(item)) << path;
    EXPECT_EQ(item, (GalleryItem{path, 7}));
  }
  GalleryItem shallow{"1.jpg"};
  EXPECT_FALSE(NamePattern("{camera}/{person}", 0).read(shallow));
}

TEST(NamePattern, NamesWhatIsWrong) {
  const auto message = [](const std::string& pattern) { return test::invalid_input_of([&] { NamePattern(pattern, 0); }); };
  EXPECT_NE(message("{camera").find("never closed"), std::string::npos);
  EXPECT_NE(message("{colour}").find("{camera}"), std::string::npos);
  EXPECT_NE(message("{time}").find("%Y"), std::string::npos);
  EXPECT_NE(message("{time:%q}").find("%q"), std::string::npos);
  EXPECT_NE(message("{time:%}").find("no %"), std::string::npos);
  EXPECT_NE(message("{camera}_{camera}").find("twice"), std::string::npos);
  EXPECT_NE(message("*.jpg").find("reads nothing"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip
