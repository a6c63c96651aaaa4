#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "builder/build_plan.h"
#include "builder/small_bundle.h"
#include "data/image/image.h"
#include "dual_encoder/plan_encoder.h"
#include "edgeclip.h"
#include "retrieval/encode.h"
#include "retrieval/gallery_support.h"
#include "support/support.h"

/// A plan, some pictures and a gallery of them, made by the code below the C headers, which are tested
/// through the shared library as others link it.
namespace edgeclip::test {

inline constexpr int kPictures = 6;

class SmallWorld {
 public:
  SmallWorld() {
    engine::test::write_small_bundle(dir_ / "bundle");
    builder::BuildOptions options;
    options.bundle = (dir_ / "bundle").string();
    options.out = plan();
    options.batches = {1, 4};
    options.memory_pool_mb = 8;
    builder::build_plan(options);
    std::filesystem::create_directories(dir_ / "images");
    PlanEncoder encoder(plan());
    GallerySource source;
    source.image_root = dir_ / "images";
    std::vector<GalleryItem> items;
    std::vector<std::filesystem::path> paths;
    for (int i = 0; i < kPictures; ++i) {
      write_png(picture(i), pixels(i));
      paths.push_back(picture(i));
      items.push_back({std::to_string(i) + ".png", i / 2, -1, "picture " + std::to_string(i)});
    }
    add_to_gallery(gallery(), manifest_for(encoder), items, encode_image_files(encoder, paths), source);
  }

  std::string plan() const { return (dir_ / "plan").string(); }
  std::string gallery() const { return (dir_ / "gallery").string(); }
  std::filesystem::path dir(const std::string& name) const { return dir_ / name; }
  std::string picture(int i) const { return (dir_ / "images" / (std::to_string(i) + ".png")).string(); }

  /// 5 x 9: not the size that the model wants.
  static Image pixels(int i) {
    Image image(5, 9);
    for (std::size_t k = 0; k < image.rgb.size(); ++k)
      image.rgb[k] = static_cast<std::uint8_t>((k * static_cast<std::size_t>(2 * i + 3) * 37 + 11) % 251);
    return image;
  }

 private:
  TempDir dir_;
};

/// The world is made once for each suite.
class EmbedTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { world_ = new SmallWorld; }
  static void TearDownTestSuite() {
    delete world_;
    world_ = nullptr;
  }
  static const SmallWorld& world() { return *world_; }

 private:
  static inline SmallWorld* world_ = nullptr;
};

/// What a call that failed says; fails the test unless it is INVALID_INPUT with one line.
inline std::string refused(edgeclip_status status) {
  EXPECT_EQ(status, EDGECLIP_INVALID_INPUT);
  const std::string text = edgeclip_last_error();
  EXPECT_FALSE(text.empty());
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  return text;
}

#define EXPECT_SAYS(call, part) \
  EXPECT_NE(::edgeclip::test::refused(call).find(part), std::string::npos) << edgeclip_last_error()
#define ASSERT_DONE(call) ASSERT_EQ(call, EDGECLIP_OK) << edgeclip_last_error()
#define EXPECT_DONE(call) EXPECT_EQ(call, EDGECLIP_OK) << edgeclip_last_error()

}  // namespace edgeclip::test
