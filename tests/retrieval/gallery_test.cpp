#include "retrieval/gallery/snapshot.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/csv.h"
#include "base/file.h"
#include "base/npy.h"
#include "retrieval/fake_encoder.h"
#include "retrieval/gallery/format1.h"
#include "retrieval/gallery_support.h"
#include "support/support.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

std::vector<GalleryItem> three_items() {
  GalleryItem frame{"v.avi", -1, 20};
  frame.in_video = true;
  frame.box = {10, 20.5F, 30, 60};
  frame.time = 1'700'000'000'123'456;
  frame.camera = "gate";
  frame.track = 4;
  return {{"a.png", 7, -1, "a man, \"walking\""}, {"b, with \"quotes\".png"}, frame};
}

Tensor three_rows() {
  return Tensor::from<float>({3, 6}, {1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0.6f, 0.8f, 0, 0});
}

GallerySource rooted_at(const fs::path& root, const std::string& kind = "images") {
  GallerySource source;
  source.kind = kind;
  source.path = "x";
  source.image_root = root;
  return source;
}

/// Embeddings and items as format 1 has them.
void write_format1(const fs::path& folder, const test::FakeEncoder& encoder) {
  fs::create_directories(folder);
  write_npy(folder / "embeddings.npy", three_rows());
  test::write_text(folder / "items.csv", csv_row({"path", "id", "frame", "caption"}) + csv_row({"a.png", "7", "-1", "a man"}) +
                                             csv_row({"b.png", "-1", "-1", ""}) + csv_row({"v.avi#frame=20", "-1", "20", ""}));
  write_json(folder / "gallery.json", {{"format", 1},
                                       {"edgeclip", "1.0"},
                                       {"model", "fake"},
                                       {"model_hash", encoder.hash},
                                       {"precision", "fp32"},
                                       {"embedding_dim", 6},
                                       {"count", 3},
                                       {"complete", true},
                                       {"image_root", "/images"},
                                       {"image", options_to_json(encoder.card().image)},
                                       {"source", {{"path", "x"}, {"kind", "images"}, {"shard", "1/1"}}},
                                       {"left_out", {"c.png"}},
                                       {"files", file_table(folder, "gallery.json")}});
}

TEST(Gallery, RoundTrips) {
  for (const DType rows : {DType::f32, DType::f16, DType::i8}) {
    const test::TempDir dir;
    const test::FakeEncoder encoder;
    GalleryManifest fresh = manifest_for(encoder);
    fresh.rows = rows;
    test::add_to_gallery(dir / "g", fresh, three_items(), three_rows(), rooted_at("/images"));
    const GallerySnapshot gallery = open_gallery(dir / "g");
    EXPECT_EQ(gallery.manifest().embedding_space, encoder.hash) << "of a plan that knows of no space";
    EXPECT_EQ(gallery.manifest().model_name, "fake");
    EXPECT_EQ(gallery.manifest().image.height, 8);
    EXPECT_TRUE(gallery.manifest().complete());
    EXPECT_EQ(gallery.manifest().sources.at(0).image_root, "/images");
    ASSERT_EQ(gallery.size(), 3);
    EXPECT_EQ(test::items_of(gallery), three_items());
    const Tensor read = test::rows_of(gallery);
    const float tolerance = rows == DType::f32 ? 0 : rows == DType::f16 ? 1e-3F : 0.5F / 127;
    for (int k = 0; k < 18; ++k) EXPECT_NEAR(read.data<float>()[k], three_rows().data<float>()[k], tolerance);
    require_same_space(gallery, encoder);
    EXPECT_NO_THROW(verify_gallery(dir / "g"));
  }
}

TEST(Gallery, ItemsAreShownWithFrameAndBox) {
  const auto items = three_items();
  EXPECT_EQ(shown_path(items[0]), "a.png");
  EXPECT_EQ(shown_path(items[2]), "v.avi#frame=20&xywh=10,20.5,30,60");
  EXPECT_EQ(item_name(items[2]), "v.avi, frame 20");
  GalleryItem crop{"a.png"};
  crop.box = {1, 2, 3, 4};
  EXPECT_EQ(shown_path(crop), "a.png#xywh=1,2,3,4");
}

TEST(Gallery, PathsThatLeaveTheRootAreRefusedUnlessTheyCameFromAList) {
  const test::FakeEncoder encoder;
  for (const char* path : {"/etc/passwd", "../b.png", "a/../../b.png"})
    for (const char* kind : {"dataset", "video", "images"}) {
      const test::TempDir dir;
      auto items = three_items();
      items[1].path = path;
      test::add_to_gallery(dir / "g", manifest_for(encoder), items, three_rows(), rooted_at("/images", kind));
      const GallerySnapshot gallery = open_gallery(dir / "g");
      if (std::string(kind) == "images") {
        EXPECT_EQ(gallery.file_of(1), fs::path("/images") / path);
        continue;
      }
      for (const std::string& message :
           {test::invalid_input_of([&] { gallery.file_of(1); }), test::invalid_input_of([&] { verify_gallery(dir / "g"); })})
        EXPECT_NE(message.find("leaves the image folder"), std::string::npos) << message;
    }
}

TEST(Gallery, ImagesAreFoundWhereTheyAreOrWhereTheUserSays) {
  const test::TempDir dir;
  const test::FakeEncoder encoder;
  test::add_to_gallery(dir / "new/g", manifest_for(encoder), three_items(), three_rows(), rooted_at(dir / "old/images"));
  const auto root = [&](const std::string& given = {}) {
    GallerySnapshot gallery = open_gallery(dir / "new/g");
    gallery.find_images(given);
    return gallery.source(0).image_root;
  };
  const std::string message = test::invalid_input_of([&] { root(); });
  for (const auto& part : {(dir / "old/images").string(), std::string("a.png"), std::string("--image-root")})
    EXPECT_NE(message.find(part), std::string::npos) << part << " in " << message;
  EXPECT_EQ(open_gallery(dir / "new/g").source(0).image_root, dir / "old/images") << "not looked for";

  fs::create_directories(dir / "new/images");
  for (const GalleryItem& item : three_items()) test::write_text(dir / "new/images" / item.path, "x");
  EXPECT_EQ(root(), dir / "new/images") << "copied with the gallery";
  EXPECT_EQ(root((dir / "new/images").string()), dir / "new/images");
  test::write_images(dir / "old/images", 1);
  test::write_text(dir / "old/images/v.avi", "x");
  EXPECT_EQ(root(), dir / "old/images") << "one of them is enough where they are said to be";
}

TEST(Gallery, OfNothingIsAGallery) {
  const test::TempDir dir;
  const test::FakeEncoder encoder;
  test::add_to_gallery(dir / "g", manifest_for(encoder), {}, Tensor(DType::f32, {0, 6}));
  EXPECT_EQ(open_gallery(dir / "g").size(), 0);
  EXPECT_TRUE(open_gallery(dir / "g").scan_rows().empty());
}

TEST(Gallery, NamesBothModelsOnAMismatch) {
  const test::FakeEncoder encoder;
  test::FakeEncoder other;
  other.hash = "ffff";
  const GallerySnapshot gallery = gallery_in_memory(manifest_for(encoder), three_items(), three_rows());
  const std::string message = test::invalid_input_of([&] { require_same_space(gallery, other); });
  EXPECT_NE(message.find(encoder.hash), std::string::npos);
  EXPECT_NE(message.find("ffff"), std::string::npos);
}

TEST(Gallery, AnotherPrecisionOfTheSameModelSearchesItUnlessTheUserForbidsIt) {
  test::FakeEncoder int8, fp32, older;
  int8.precision_ = "int8";
  fp32.precision_ = "fp32";
  fp32.hash = older.hash = "ffff";
  int8.card_.embedding_space = fp32.card_.embedding_space = "space";
  const test::TempDir dir;
  {
    GalleryWriter writer(dir / "g", manifest_for(int8));
    writer.made_by(int8);
    const std::int32_t source = writer.put_source(rooted_at("/images"), std::nullopt, 3);
    writer.append(test::numbered(three_items(), 0, source), three_rows().data<float>());
    writer.seal();
  }
  const GallerySnapshot gallery = open_gallery(dir / "g");
  EXPECT_EQ(gallery.manifest().embedding_space, "space");
  EXPECT_NO_THROW(require_same_space(gallery, fp32));
  EXPECT_NO_THROW(require_same_space(gallery, int8, true));
  const std::string message = test::invalid_input_of([&] { require_same_space(gallery, fp32, true); });
  for (const char* part : {"made with an int8 plan", "not with an fp32 one", "search it with the int8 plan", "--same-precision"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
  EXPECT_NE(test::invalid_input_of([&] { require_same_space(gallery, older); }).find("not with"), std::string::npos)
      << "a plan that knows of no space, and is another file";
}

TEST(Gallery, FindsEveryDamage) {
  const test::TempDir dir;
  const test::FakeEncoder encoder;
  const fs::path folder = dir / "g", segment = folder / "segments/000001";
  const auto fresh = [&] {
    fs::remove_all(folder);
    test::add_to_gallery(folder, manifest_for(encoder), three_items(), three_rows(), rooted_at("/images"));
  };
  const auto open = [&] { return test::invalid_input_of([&] { open_gallery(folder); }); };
  const auto verify = [&] { return test::invalid_input_of([&] { verify_gallery(folder); }); };
  fresh();
  fs::resize_file(segment / "rows.npy", 150);
  EXPECT_NE(open().find("rows.npy"), std::string::npos);
  fresh();
  std::string items = read_file(segment / "items.safetensors");
  items[items.find("a.png")] = 'b';
  test::write_text(segment / "items.safetensors", items);
  EXPECT_EQ(open_gallery(folder).item(0).path, "b.png") << "opening reads no items";
  EXPECT_NE(verify().find("items.safetensors: is damaged"), std::string::npos);
  fresh();
  fs::remove(segment / "items.safetensors");
  EXPECT_NE(open().find("items.safetensors"), std::string::npos);
  fresh();
  fs::remove(folder / "gallery.json");
  EXPECT_NE(open().find("index"), std::string::npos);
  const auto edit = [&](const Json::json_pointer& key, const Json& value) {
    fresh();
    Json json = read_json(folder / "gallery.json");
    json[key] = value;
    write_json(folder / "gallery.json", json);
    return open();
  };
  using Key = Json::json_pointer;
  EXPECT_NE(edit(Key("/format"), 3).find("update edgeclip"), std::string::npos);
  EXPECT_NE(edit(Key("/format"), 0).find("format 0"), std::string::npos);
  EXPECT_NE(edit(Key("/rows"), "x").find("float32"), std::string::npos);
  EXPECT_NE(edit(Key("/rows"), "int8").find("rows.npy"), std::string::npos);
  EXPECT_NE(edit(Key("/embedding_dim"), 5).find("rows.npy"), std::string::npos);
  EXPECT_NE(edit(Key("/embedding_dim"), 0).find("embedding_dim"), std::string::npos);
  EXPECT_NE(edit(Key("/image"), Json{{"heigth", 3}}).find("height"), std::string::npos);
  EXPECT_NE(edit(Key("/segments"), 1).find("a list"), std::string::npos);
  EXPECT_NE(edit(Key("/segments/0/name"), "../000001").find("no name of a folder"), std::string::npos);
  EXPECT_NE(edit(Key("/segments/0/rows"), 4).find("rows.npy"), std::string::npos);
  EXPECT_NE(edit(Key("/segments/0/removed"), 4).find("4 of 3"), std::string::npos);
  EXPECT_NE(edit(Key("/segments/0/removed"), 1).find("no file says which"), std::string::npos);
  EXPECT_NE(edit(Key("/next_segment"), 1).find("next_segment"), std::string::npos);
  EXPECT_NE(edit(Key("/generation"), std::numeric_limits<std::int64_t>::max()).find("generation"), std::string::npos);
  EXPECT_NE(edit(Key("/segments/0/files"), Json::object()).find("files"), std::string::npos);
  fresh();
  Json json = read_json(folder / "gallery.json");
  json["sources"] = Json::array();
  write_json(folder / "gallery.json", json);
  EXPECT_NE(verify().find("of source 0, of 0"), std::string::npos);
  test::invalid_input_of([&] { open_gallery(dir / "nothing"); });
}

TEST(Gallery, AMaskSaysWhatGalleryJsonSays) {
  const test::TempDir dir;
  const test::FakeEncoder encoder;
  test::add_to_gallery(dir / "g", manifest_for(encoder), three_items(), three_rows(), rooted_at("/images"));
  GalleryWriter(dir / "g", std::nullopt).remove([](const GallerySnapshot& g, std::int64_t place) { return g.number(place) < 2; });
  Json json = read_json(dir / "g/gallery.json");
  json["segments"][0]["removed"] = 1;
  write_json(dir / "g/gallery.json", json);
  EXPECT_NE(test::invalid_input_of([&] { open_gallery(dir / "g"); }).find("has 1 of 3 rows"), std::string::npos);
}

TEST(Gallery, VerifyFindsRowsThatAreNotUnitNorm) {
  const test::TempDir dir;
  const test::FakeEncoder encoder;
  Tensor rows = three_rows();
  rows.data<float>()[6] = 0.5f;
  test::add_to_gallery(dir / "g", manifest_for(encoder), three_items(), rows);
  EXPECT_NE(test::invalid_input_of([&] { verify_gallery(dir / "g"); }).find("unit-norm"), std::string::npos);
}

TEST(Gallery, OfFormat1IsReadAndUpgraded) {
  const test::TempDir dir;
  const test::FakeEncoder encoder;
  write_format1(dir / "g", encoder);
  const auto check = [&] {
    const GallerySnapshot gallery = open_gallery(dir / "g");
    ASSERT_EQ(gallery.size(), 3);
    EXPECT_EQ(gallery.item(0).id, 7);
    EXPECT_EQ(gallery.item(0).caption, "a man");
    EXPECT_EQ(gallery.item(2).path, "v.avi");
    EXPECT_TRUE(gallery.item(2).in_video);
    EXPECT_EQ(shown_path(gallery.item(2)), "v.avi#frame=20");
    EXPECT_EQ(gallery.number(2), 2u);
    EXPECT_EQ(gallery.source(0).left_out, std::vector<std::string>{"c.png"});
    EXPECT_EQ(gallery.source(0).image_root, "/images");
    EXPECT_EQ(gallery.segments().at(0).entry.precision, "fp32");
    const Tensor rows = test::rows_of(gallery), expected = three_rows();
    for (int k = 0; k < 18; ++k) EXPECT_EQ(rows.data<float>()[k], expected.data<float>()[k]);
    require_same_space(gallery, encoder);
    verify_gallery(dir / "g");
  };
  check();
  EXPECT_NE(test::invalid_input_of([&] { GalleryWriter(dir / "g", std::nullopt); }).find("gallery upgrade"), std::string::npos);
  upgrade_format1(dir / "g");
  EXPECT_EQ(gallery_format(dir / "g"), 2);
  EXPECT_FALSE(fs::exists(dir / "g/items.csv"));
  check();
  EXPECT_NE(test::invalid_input_of([&] { upgrade_format1(dir / "g"); }).find("already"), std::string::npos);
  write_format1(dir / "h", encoder);
  fs::resize_file(dir / "h/embeddings.npy", 150);
  EXPECT_NE(test::invalid_input_of([&] { upgrade_format1(dir / "h"); }).find("embeddings.npy"), std::string::npos);
  EXPECT_TRUE(fs::exists(dir / "h/items.csv")) << "nothing is lost";
}

}  // namespace
}  // namespace edgeclip
