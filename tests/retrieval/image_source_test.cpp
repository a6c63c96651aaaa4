#include "retrieval/index/image_source.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <unistd.h>

#include "base/log.h"
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

/// What is logged while it lives.
class Logged {
 public:
  Logged() : before_(spdlog::default_logger()) {
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(text_);
    sink->set_pattern("%l: %v");
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", sink));
  }
  ~Logged() { spdlog::set_default_logger(before_); }
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> before_;
};

std::vector<std::string> paths_of(const ImageSource& source) {
  std::vector<std::string> paths;
  for (const auto& item : source.items) paths.push_back(item.path);
  return paths;
}

using Paths = std::vector<std::string>;

TEST(ImageSource, LinkedFoldersAreTakenOnceAndCyclesEnd) {
  test::TempDir dir;
  test::write_images(dir / "elsewhere/deep", 1);
  test::write_images(dir / "root/real", 1);
  namespace fs = std::filesystem;
  fs::create_directory_symlink(dir / "elsewhere", dir / "root/a_link");
  fs::create_directory_symlink(dir / "root/real", dir / "root/again");        // under its own name
  fs::create_directory_symlink(dir / "elsewhere/deep", dir / "root/b_link");  // by another link already
  fs::create_directory_symlink(dir / "elsewhere", dir / "elsewhere/deep/cycle");
  fs::create_symlink(dir / "elsewhere/deep/00.png", dir / "root/linked.png");
  EXPECT_EQ(paths_of(open_image_source(dir / "root")),
            (Paths{"a_link/deep/00.png", "linked.png", "real/00.png"}));

  const Logged logged;
  fs::create_directory_symlink(dir.path(), dir / "root/up");
  EXPECT_EQ(open_image_source(dir / "root").items.size(), 3u);
  EXPECT_NE(logged.text().find("is not followed: up"), std::string::npos) << logged.text();
}

TEST(ImageSource, VideosAndLinksToNothingInAFolderAreNamed) {
  test::TempDir dir;
  test::write_images(dir / "root", 2);
  for (int i = 0; i < 7; ++i) test::write_text(dir / fmt::format("root/v{}.avi", i), "x");
  std::filesystem::create_symlink("nothing.png", dir / "root/broken.png");
  {
    const Logged logged;
    EXPECT_EQ(open_image_source(dir / "root").items.size(), 2u);
    EXPECT_NE(logged.text().find("warning: " + (dir / "root").string() +
                                 ": 7 videos are not indexed with a folder's images: name each one: v0.avi, "
                                 "v1.avi, v2.avi, v3.avi, v4.avi and 2 more\n"),
              std::string::npos)
        << logged.text();
    EXPECT_NE(logged.text().find("broken.png"), std::string::npos) << logged.text();
  }
  for (const char* name : {"00.png", "01.png"}) std::filesystem::remove(dir / "root" / name);
  EXPECT_NE(test::invalid_input_of([&] { open_image_source(dir / "root"); }).find("v0.avi"),
            std::string::npos);
}

TEST(ImageSource, AFolderBelowThatCannotBeReadIsNamed) {
  test::TempDir dir;
  test::write_images(dir / "root", 1);
  std::filesystem::create_directory(dir / "root/closed");
  std::filesystem::permissions(dir / "root/closed", std::filesystem::perms::none);
  std::filesystem::permissions(dir.path(), std::filesystem::perms::all);
  const bool is_root = ::geteuid() == 0;  // whom no permission keeps out
  if (is_root) {
    ASSERT_EQ(::seteuid(65534), 0);
  }
  const std::string message = test::invalid_input_of([&] { open_image_source(dir / "root"); });
  if (is_root) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  std::filesystem::permissions(dir / "root/closed", std::filesystem::perms::all);  // so that it can go
  EXPECT_NE(message.find((dir / "root/closed").string() + ": cannot be read"), std::string::npos) << message;
}

TEST(ImageSource, AListNamesAnImageOnce) {
  test::TempDir dir;
  test::write_images(dir.path(), 2);
  test::write_text(dir / "list.txt", "00.png\n01.png\r\n00.png\n\n");
  const Logged logged;
  EXPECT_EQ(open_image_source(dir / "list.txt").items.size(), 2u);
  EXPECT_NE(logged.text().find("1 lines name"), std::string::npos) << logged.text();
}

TEST(ImageSource, OnlyADatasetHasAnImageRoot) {
  test::TempDir dir;
  test::write_images(dir / "root", 1);
  EXPECT_NE(test::invalid_input_of([&] {
              open_image_source(dir / "root", "all", dir.path().string());
            }).find("--image-root"),
            std::string::npos);
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
  EXPECT_EQ(reader.read(dir / "a#frame=x.png", {"a#frame=x.png"}, GallerySource()).width, 10);
  GalleryItem frame{"missing.avi", -1, 3};
  frame.in_video = true;
  test::invalid_input_of([&] { reader.read(dir / "missing.avi", frame, GallerySource()); });
}

}  // namespace
}  // namespace edgeclip
