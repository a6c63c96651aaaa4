#include <cmath>

#include "base/safetensors.h"
#include "bundle/bundle.h"
#include "data/dataset/dataset.h"
#include "engine/plan/plan.h"
#include "engine/verify.h"
#include "retrieval/gallery.h"
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

TEST(Formats, BundlesOfVersion1StillGiveTheirReferenceOutputs) {
  for (const char* name : {"bundle", "bundle-int8"}) {
    engine::VerifyOptions options;
    options.bundle = test::golden(kVersion + std::string(name)).string();
    EXPECT_TRUE(engine::verify_bundle(options).at("passed").get<bool>()) << name;
  }
}

TEST(Formats, PlansOfVersion1StillEncode) {
  const SafetensorsFile reference(open_bundle(test::golden(kVersion + std::string("bundle"))).reference());
  const Tensor expected = reference.get("image/b3/image_embeds");
  for (const auto& [name, tolerance] : {std::pair<const char*, float>{"plan", 2e-5f}, {"plan-int8", 0.2f}}) {
    engine::PlanRunner runner(test::golden(kVersion + std::string(name)));
    const Tensor got = runner.encode_images(reference.get("image/b3/pixel_values").view());
    ASSERT_EQ(got.shape(), expected.shape());
    for (std::int64_t i = 0; i < got.elements(); ++i) EXPECT_NEAR(got.data<float>()[i], expected.data<float>()[i], tolerance) << name;
  }
}

TEST(Formats, GalleryOfVersion1) {
  const Gallery gallery = open_gallery(test::golden(kVersion + std::string("gallery")));
  EXPECT_EQ(gallery.embeddings.shape(), (Shape{6, 8}));
  EXPECT_EQ(gallery.model_hash, engine::open_plan_info(test::golden(kVersion + std::string("plan"))).model_hash);
}

}  // namespace
}  // namespace edgeclip
