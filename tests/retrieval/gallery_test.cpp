#include "retrieval/gallery.h"

#include <gtest/gtest.h>

#include "base/csv.h"
#include "base/file.h"
#include "base/npy.h"
#include "base/signals.h"
#include "retrieval/fake_encoder.h"
#include "support/support.h"

namespace edgeclip {
namespace {

Gallery small_gallery(test::FakeEncoder& encoder) {
  Gallery gallery = gallery_for(encoder);
  gallery.image_root = "/images";
  gallery.items = {{"a.png", 7, -1}, {"b, with \"quotes\".png", -1, -1}, {"v.avi#frame=20", -1, 20}};
  gallery.embeddings =
      Tensor::from<float>({3, 6}, {1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0.6f, 0.8f, 0, 0});
  gallery.source = {{"path", "x"}};
  return gallery;
}

TEST(Gallery, RoundTrips) {
  test::TempDir dir;
  test::FakeEncoder encoder;
  const Gallery written = small_gallery(encoder);
  write_gallery(dir / "g", written);
  const Gallery read = open_gallery(dir / "g");
  EXPECT_EQ(read.model_hash, encoder.hash);
  EXPECT_EQ(read.model_name, "fake");
  EXPECT_EQ(read.image_root, written.image_root);
  EXPECT_EQ(read.image.height, 8);
  EXPECT_TRUE(read.complete);
  ASSERT_EQ(read.size(), 3);
  EXPECT_EQ(read.items[0].id, 7);
  EXPECT_EQ(read.items[1].path, written.items[1].path);
  EXPECT_EQ(read.items[2].frame, 20);
  for (int k = 0; k < 18; ++k)
    EXPECT_EQ(read.embeddings.data<float>()[k], written.embeddings.data<float>()[k]);
  require_same_model(read, encoder);
}

TEST(Gallery, PathsThatLeaveTheRootAreRefusedUnlessTheyCameFromAList) {
  test::TempDir dir;
  test::FakeEncoder encoder;
  Gallery gallery = small_gallery(encoder);
  for (const char* path : {"/etc/passwd", "../b.png", "a/../../b.png", "../v.avi#frame=2"})
    for (const char* kind : {"dataset", "video", "images"}) {
      gallery.items[1].path = path;
      gallery.source = {{"path", "x"}, {"kind", kind}};
      std::filesystem::remove_all(dir / "g");
      write_gallery(dir / "g", gallery);
      if (std::string(kind) == "images") {
        EXPECT_EQ(open_gallery(dir / "g").items[1].path, path);
        continue;
      }
      const std::string message = test::invalid_input_of([&] { open_gallery(dir / "g"); });
      EXPECT_NE(message.find("items.csv: row 2"), std::string::npos) << message;
    }
}

TEST(Gallery, ImagesAreFoundWhereTheyAreOrWhereTheUserSays) {
  test::TempDir dir;
  test::FakeEncoder encoder;
  Gallery gallery = small_gallery(encoder);
  gallery.image_root = dir / "old/images";
  write_gallery(dir / "new/g", gallery);
  const auto root = [&](const std::string& given = {}) {
    return open_gallery_with_images(dir / "new/g", given).image_root;
  };
  const std::string message = test::invalid_input_of([&] { root(); });
  for (const auto& part : {(dir / "old/images").string(), std::string("a.png"), std::string("--image-root")})
    EXPECT_NE(message.find(part), std::string::npos) << part << " in " << message;
  EXPECT_EQ(open_gallery(dir / "new/g").image_root, dir / "old/images") << "not looked for";

  std::filesystem::create_directories(dir / "new/images");
  for (const auto& name : {std::string("a.png"), gallery.items[1].path, std::string("v.avi")})
    test::write_text(dir / "new/images" / name, "x");
  EXPECT_EQ(root(), dir / "new/images") << "copied with the gallery";
  EXPECT_EQ(root((dir / "new/images").string()), dir / "new/images");
  test::write_images(dir / "old/images", 1);
  test::write_text(dir / "old/images/v.avi", "x");
  EXPECT_EQ(root(), dir / "old/images") << "one of them is enough where they are said to be";
}

TEST(Gallery, OfNothingIsAGallery) {
  test::TempDir dir;
  test::FakeEncoder encoder;
  write_gallery(dir / "g", gallery_for(encoder));
  EXPECT_EQ(open_gallery(dir / "g").size(), 0);
}

TEST(Gallery, NamesBothModelsOnAMismatch) {
  test::FakeEncoder encoder, other;
  other.hash = "ffff";
  const std::string message =
      test::invalid_input_of([&] { require_same_model(small_gallery(encoder), other); });
  EXPECT_NE(message.find(encoder.hash), std::string::npos);
  EXPECT_NE(message.find("ffff"), std::string::npos);
}

TEST(Gallery, AMismatchOfPrecisionNamesBothAndTheRemedy) {
  class Int8 : public test::FakeEncoder {
   public:
    std::string precision() const override { return "int8"; }
  } int8;
  class Fp32 : public test::FakeEncoder {
   public:
    std::string precision() const override { return "fp32"; }
  } fp32;
  fp32.hash = "ffff";
  test::TempDir dir;
  write_gallery(dir / "g", small_gallery(int8));
  const std::string message =
      test::invalid_input_of([&] { require_same_model(open_gallery(dir / "g"), fp32); });
  for (const char* part :
       {"made with an int8 plan", "not with this fp32 one", "search it with the int8 plan"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
}

TEST(Gallery, FindsEveryDamage) {
  test::TempDir dir;
  test::FakeEncoder encoder;
  const auto folder = dir / "g";
  const auto fresh = [&] {
    std::filesystem::remove_all(folder);
    write_gallery(folder, small_gallery(encoder));
  };
  const auto message = [&] { return test::invalid_input_of([&] { open_gallery(folder); }); };
  fresh();
  std::filesystem::resize_file(folder / "embeddings.npy", 150);
  EXPECT_NE(message().find("embeddings.npy"), std::string::npos);
  fresh();
  std::string csv = read_file(folder / "items.csv");
  csv[csv.find('7')] = '8';
  test::write_text(folder / "items.csv", csv);
  EXPECT_NE(message().find("items.csv"), std::string::npos);
  fresh();
  std::filesystem::remove(folder / "items.csv");
  EXPECT_NE(message().find("items.csv"), std::string::npos);
  fresh();
  std::filesystem::remove(folder / "gallery.json");
  EXPECT_NE(message().find("index"), std::string::npos);
  const auto edit = [&](const char* key, const Json& value) {
    fresh();
    Json json = read_json(folder / "gallery.json");
    json[key] = value;
    write_json(folder / "gallery.json", json);
    return message();
  };
  EXPECT_NE(edit("format", 2).find("update edgeclip"), std::string::npos);
  EXPECT_NE(edit("format", 0).find("format 0"), std::string::npos);
  EXPECT_NE(edit("count", 4).find("3 items"), std::string::npos);
  EXPECT_NE(edit("count", "x").find("count"), std::string::npos);
  EXPECT_NE(edit("embedding_dim", 5).find("embeddings.npy"), std::string::npos);
  EXPECT_NE(edit("files", Json::object()).find("files"), std::string::npos);
  EXPECT_NE(edit("image", Json{{"heigth", 3}}).find("height"), std::string::npos);
  test::invalid_input_of([&] { open_gallery(dir / "nothing"); });
}

TEST(Gallery, RefusesRowsThatAreNotUnitNorm) {
  test::TempDir dir;
  test::FakeEncoder encoder;
  Gallery gallery = small_gallery(encoder);
  gallery.embeddings.data<float>()[6] = 0.5f;
  write_gallery(dir / "g", gallery);
  EXPECT_NE(test::invalid_input_of([&] { open_gallery(dir / "g"); }).find("unit-norm"), std::string::npos);
}

TEST(Gallery, ReplacesAGalleryButNoOtherFolder) {
  test::TempDir dir;
  test::FakeEncoder encoder;
  write_gallery(dir / "g", small_gallery(encoder));
  EXPECT_NE(
      test::invalid_input_of([&] { write_gallery(dir / "g", gallery_for(encoder)); }).find("--overwrite"),
      std::string::npos);
  write_gallery(dir / "g", gallery_for(encoder), {.overwrite = true});
  EXPECT_EQ(open_gallery(dir / "g").size(), 0);
  std::filesystem::create_directory(dir / "other");
  test::write_text(dir / "other" / "thesis.txt", "x");
  test::invalid_input_of([&] { write_gallery(dir / "other", small_gallery(encoder)); });
  EXPECT_TRUE(std::filesystem::exists(dir / "other" / "thesis.txt"));
}

TEST(Gallery, CanBeWrittenAfterASignal) {
  test::TempDir dir;
  test::FakeEncoder encoder;
  set_interrupted(true);
  write_gallery(dir / "g", small_gallery(encoder));
  set_interrupted(false);
  EXPECT_EQ(open_gallery(dir / "g").size(), 3);
}

}  // namespace
}  // namespace edgeclip
