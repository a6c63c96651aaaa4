#include "retrieval/evaluate/rolling_gallery.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "retrieval/fake_encoder.h"
#include "retrieval/search/search.h"
#include "support/support.h"

namespace edgeclip {
namespace {

TEST(RollingGallery, GrowsAndForgetsWhileItIsSearched) {
  test::TempDir dir;
  const auto paths = test::write_images(dir / "images", 5);
  const std::vector<std::string> no_texts;
  test::FakeEncoder encoder;
  RollingGallery::Options options;
  options.batch = 2;
  options.seal_seconds = 0;
  options.kept = 6;
  options.seals_to_compact = 3;
  std::filesystem::path folder;
  {
    RollingGallery gallery(encoder, QueryStream(paths, no_texts, 3), options, [](const std::function<void()>& work) {
      work();
      return true;
    });
    folder = gallery.newest().directory();
    QueryStream stream(paths, no_texts, 3);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while ((gallery.generations_read() < 6 || gallery.removed() < 6) && std::chrono::steady_clock::now() < deadline) {
      const GallerySnapshot& newest = gallery.newest();
      EXPECT_GT(newest.size(), 0);
      EXPECT_LE(newest.size(), options.kept + options.batch * (options.seals_to_compact + 1));
      stream.ask_images(encoder, newest, 1);
      gallery.check();
    }
    EXPECT_GE(gallery.generations_read(), 6);
    EXPECT_GE(gallery.removed(), 6);
    EXPECT_GE(gallery.appended(), gallery.removed() + 6);
    EXPECT_TRUE(std::filesystem::exists(folder));
  }
  EXPECT_FALSE(std::filesystem::exists(folder)) << "it goes with the object";
}

TEST(RollingGallery, SaysWhatEndedItsThread) {
  test::TempDir dir;
  const auto paths = test::write_images(dir / "images", 2);
  const std::vector<std::string> no_texts;
  test::FakeEncoder encoder;
  encoder.fail_at_call = 3;
  RollingGallery gallery(encoder, QueryStream(paths, no_texts, 3), {}, [](const std::function<void()>& work) {
    work();
    return true;
  });
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const auto ended = [&] {
    try {
      gallery.check();
      return false;
    } catch (const InternalError&) {
      return true;
    }
  };
  bool seen = false;
  while (!(seen = ended()) && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_TRUE(seen);
}

}  // namespace
}  // namespace edgeclip
