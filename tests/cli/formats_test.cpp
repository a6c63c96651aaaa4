#include <cmath>

#include "builder/verify.h"
#include "bundle/bundle.h"
#include "data/dataset/dataset.h"
#include "data/image/image.h"
#include "engine/plan/plan.h"
#include "retrieval/gallery/snapshot.h"
#include "support/support.h"

/// Artifacts written by an earlier version must stay readable: one of each format, from tests/golden/formats.
namespace edgeclip {
namespace {

const char* const kVersion = "formats/v1/";

TEST(Formats, DatasetOfVersion1) {
  const Dataset dataset = open_dataset(test::golden(kVersion + std::string("dataset")));
  EXPECT_EQ(dataset.images.size(), 6u);
  EXPECT_EQ(dataset.pairs.size(), 12u);
  EXPECT_EQ(dataset.split("test").size(), 2u);
  EXPECT_EQ(dataset.context_length, 32);
  EXPECT_EQ(dataset.tokens.shape(), (Shape{12, 32}));
  EXPECT_EQ(dataset.tokens.data<std::int32_t>()[0], dataset.tokenizer->begin_id());
}

TEST(Formats, VideoDatasetOfVersion1) {
  const Dataset dataset = open_dataset(test::golden(kVersion + std::string("video-dataset")));
  ASSERT_EQ(dataset.images.size(), 3u);
  EXPECT_EQ(dataset.images[0].frame, 0);
  EXPECT_GT(read_image(dataset.image_path(dataset.images[0].path)).height, 20);
}

TEST(Formats, BundlesOfVersion1StillGiveTheirReferenceOutputs) {
  for (const char* name : {"bundle", "bundle-int8"}) {
    builder::VerifyOptions options;
    options.bundle = test::golden(kVersion + std::string(name)).string();
    EXPECT_TRUE(builder::verify_bundle(options).at("passed").get<bool>()) << name;
  }
}

TEST(Formats, APlanOfVersion1IsRefusedWithTheCommandThatBuildsItAgain) {
  const std::string message =
      test::invalid_input_of([] { engine::open_plan_info(test::golden(kVersion + std::string("plan"))); });
  EXPECT_NE(message.find("format 1 is older"), std::string::npos) << message;
  EXPECT_NE(message.find("edgeclip-edge build --bundle BUNDLE"), std::string::npos) << message;
}

TEST(Formats, GalleryOfVersion1) {
  const GallerySnapshot gallery = open_gallery(test::golden(kVersion + std::string("gallery")));
  EXPECT_EQ(gallery.size(), 6);
  EXPECT_EQ(gallery.manifest().embedding_dim, 8);
  EXPECT_NE(gallery.item(0).caption, "");
  EXPECT_EQ(gallery.manifest().embedding_space.size(), 32u) << "of a plan's file";
  EXPECT_NO_THROW(verify_gallery(gallery.directory()));
}

}  // namespace
}  // namespace edgeclip
