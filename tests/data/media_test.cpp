#include "data/image/media.h"

#include <stdlib.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "encode.h"
#include "support/support.h"
#include "support/vtest.h"

namespace edgeclip {
namespace {

using test::invalid_input_of;
using test::TempDir;
using test::write_text;

TEST(Media, FramesComeInOrder) {
  TempDir dir;
  std::vector<Image> frames;
  for (int i = 0; i < 5; ++i)
    frames.push_back(test::filled(64, 48, static_cast<std::uint8_t>(40 * i), 100, 200));
  write_text(dir / "clip.avi", test::encode_video(frames));
  VideoReader video(dir / "clip.avi");
  EXPECT_GT(video.fps(), 0);
  Image frame;
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(video.next(&frame)) << i;
    ASSERT_EQ(frame.width, 64);
    ASSERT_EQ(frame.height, 48);
    EXPECT_NEAR(frame.rgb[0], 40 * i, 4);
    EXPECT_NEAR(frame.rgb[1], 100, 4);
    EXPECT_NEAR(frame.rgb[2], 200, 4);
  }
  EXPECT_FALSE(video.next(&frame));
  EXPECT_FALSE(video.next(&frame));
}

TEST(Media, WhatIsNoVideoIsSaidInOneLine) {
  TempDir dir;
  write_text(dir / "text.avi", std::string(5000, 'x'));
  testing::internal::CaptureStderr();
  const std::string message = invalid_input_of([&] { VideoReader video(dir / "text.avi"); });
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_NE(message.find("cannot be opened as a video"), std::string::npos);
  EXPECT_NE(invalid_input_of([&] { VideoReader video(dir / "none.avi"); }).find("not found"),
            std::string::npos);
}

TEST(Media, ReadsTheRarerFormats) {
  TempDir dir;
  write_text(dir / "a.ppm", "P6\n2 1\n255\n" + std::string("\x01\x02\x03\xFE\xFD\xFC", 6));
  EXPECT_EQ(read_image(dir / "a.ppm").rgb, (std::vector<std::uint8_t>{1, 2, 3, 254, 253, 252}));
  write_text(dir / "cut.ppm", "P6\n200 100\n255\n");
  write_text(dir / "bad.bmp", "BM not a bitmap");
  testing::internal::CaptureStderr();
  for (const char* name : {"cut.ppm", "bad.bmp"})
    EXPECT_NE(invalid_input_of([&] { read_image(dir / name); }).find(name), std::string::npos);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Media, NamesTellVideosAndImages) {
  EXPECT_TRUE(is_video_name("a/b.AVI"));
  EXPECT_TRUE(is_video_name("b.mp4"));
  EXPECT_FALSE(is_video_name("avi"));
  EXPECT_TRUE(is_image_name("x.JPeG"));
  EXPECT_FALSE(is_image_name("x.txt"));
}

/// The first bytes of a frame in the middle, which differ from frame to frame.
std::vector<std::uint8_t> middle_of(const Image& image) {
  const std::uint8_t* from = image.row(image.height / 2);
  return {from, from + 3 * image.width};
}

TEST(Media, SeekingGivesTheFrameOfThatNumber) {
  TempDir dir;
  std::vector<Image> frames;
  for (int i = 0; i < 120; ++i) frames.push_back(test::filled(64, 48, static_cast<std::uint8_t>(2 * i), 100, static_cast<std::uint8_t>(250 - 2 * i)));
  write_text(dir / "clip.avi", test::encode_video(frames));
  VideoReader in_order(dir / "clip.avi");
  std::vector<std::vector<std::uint8_t>> expected;
  for (Image frame; in_order.next(&frame);) expected.push_back(middle_of(frame));
  ASSERT_EQ(expected.size(), 120u);
  for (const bool constant_rate : {false, true}) {
    VideoReader video(dir / "clip.avi");
    Image frame;
    for (const std::int64_t k : {100, 3, 4, 119, 50, 0, 1, 90}) {
      ASSERT_TRUE(video.seek(k, constant_rate)) << k;
      ASSERT_TRUE(video.next(&frame)) << k;
      EXPECT_EQ(middle_of(frame), expected[static_cast<std::size_t>(k)]) << k;
      EXPECT_EQ(video.time(), -1) << "such a stream has no times";
    }
    EXPECT_FALSE(video.seek(120, constant_rate) && video.next(&frame));
    EXPECT_TRUE(video.seek(7, constant_rate) && video.next(&frame)) << "behind the end, too";
    EXPECT_EQ(middle_of(frame), expected[7]);
    EXPECT_EQ(video.skip(1000), 112);
    EXPECT_EQ(video.skip(1), 0);
  }
}

TEST(Media, SeekingInARealVideo) {
  EDGECLIP_REQUIRE_VTEST(path);
  std::map<std::int64_t, std::vector<std::uint8_t>> expected;
  const std::vector<std::int64_t> asked = {794, 13, 500, 12, 501, 0, 233, 700, 299, 300};
  VideoReader in_order(path);
  Image frame;
  for (std::int64_t k = 0; in_order.next(&frame); ++k)
    if (std::count(asked.begin(), asked.end(), k)) expected[k] = middle_of(frame);
  VideoReader video(path);
  for (const std::int64_t k : asked) {
    ASSERT_TRUE(video.seek(k, true) && video.next(&frame)) << k;
    EXPECT_EQ(middle_of(frame), expected.at(k)) << k;
    EXPECT_NEAR(video.time(), static_cast<double>(k) / video.fps(), 1e-3);
  }
}

TEST(Media, RealVideo) {
  EDGECLIP_REQUIRE_VTEST(path);
  VideoReader video(path);
  EXPECT_NEAR(video.fps(), 10, 0.01);
  EXPECT_EQ(video.frame_count(), 795);
  Image frame;
  std::int64_t frames = 0;
  while (frames < 20 && video.next(&frame)) ++frames;
  EXPECT_EQ(frames, 20);
  EXPECT_EQ(frame.width, 768);
  EXPECT_EQ(frame.height, 576);
}

}  // namespace
}  // namespace edgeclip
