#include "retrieval/image_source.h"

#include <gtest/gtest.h>

#include "retrieval/fake_encoder.h"
#include "support/support.h"

namespace edgeclip {
namespace {

TEST(ImageSource, AFolderIsReadRecursivelyAndSorted) {
  test::TempDir dir;
  test::write_images(dir / "b", 2);
  test::write_images(dir / "a/x", 1);
  test::write_text(dir / "notes.txt", "x");
  const ImageSource source = open_image_source(dir.path());
  ASSERT_EQ(source.items.size(), 3u);
  EXPECT_EQ(source.items[0].path, "a/x/00.png");
  EXPECT_EQ(source.items[1].path, "b/00.png");
  EXPECT_EQ(source.items[2].path, "b/01.png");
  EXPECT_EQ(source.image_root, std::filesystem::absolute(dir.path()).lexically_normal());
}

TEST(ImageSource, AListKeepsItsOrderAndIsRelativeToItself) {
  test::TempDir dir;
  test::write_text(dir / "list.txt", "b.png\r\n\n/abs/a.png\n");
  const ImageSource source = open_image_source(dir / "list.txt");
  ASSERT_EQ(source.items.size(), 2u);
  EXPECT_EQ(source.items[0].path, "b.png");
  EXPECT_EQ(source.image_root / source.items[1].path, "/abs/a.png");
}

TEST(ImageSource, OneImageAndAVideo) {
  test::TempDir dir;
  test::write_images(dir.path(), 1);
  EXPECT_EQ(open_image_source(dir / "00.png").items.size(), 1u);
  test::write_text(dir / "v.avi", "x");
  EXPECT_EQ(open_image_source(dir / "v.avi").kind, "video");
}

TEST(ImageSource, NamesWhatIsNoImageSource) {
  test::TempDir dir;
  test::invalid_input_of([&] { open_image_source(dir / "nothing"); });
  EXPECT_NE(test::invalid_input_of([&] { open_image_source(dir.path()); }).find("no images"),
            std::string::npos);
  test::write_text(dir / "data.bin", std::string("\x00\x01\xff", 3));
  EXPECT_NE(test::invalid_input_of([&] { open_image_source(dir / "data.bin"); }).find("neither"),
            std::string::npos);
  test::write_text(dir / "empty.txt", "\n\n");
  EXPECT_NE(test::invalid_input_of([&] { open_image_source(dir / "empty.txt"); }).find("lists no images"),
            std::string::npos);
}

TEST(Shard, Parses) {
  EXPECT_EQ(parse_shard("2/4").index, 2);
  for (const char* bad : {"", "1", "0/2", "3/2", "1/0", "-1/2", "1/2x", "a/b", "1//2", "99999999999/2"})
    EXPECT_NE(test::invalid_input_of([&] { parse_shard(bad); }).find("i/n"), std::string::npos) << bad;
}

TEST(ItemReader, ReadsImagesWhoseNamesLookLikeFrames) {
  test::TempDir dir;
  write_png(dir / "a#frame=x.png", test::two_colours(255, 0, 0, 0, 0, 255));
  ItemReader reader;
  EXPECT_EQ(reader.read(dir.path(), "a#frame=x.png").width, 10);
  test::invalid_input_of([&] { reader.read(dir.path(), "missing.avi#frame=3"); });
}

}  // namespace
}  // namespace edgeclip
