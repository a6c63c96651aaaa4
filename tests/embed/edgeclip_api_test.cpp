// edgeclip.h as a program sees it: through the shared library.
#include "edgeclip.h"

#include <cmath>
#include <limits>
#include <thread>

#include "embed/small_world.h"

namespace edgeclip::test {
namespace {

using engine::test::kSmallContext;
using engine::test::kSmallEmbedding;
using engine::test::max_difference;

constexpr std::size_t kDim = kSmallEmbedding;

class EdgeclipApi : public EmbedTest {
 protected:
  void SetUp() override {
    ASSERT_DONE(edgeclip_model_open(world().plan().c_str(), nullptr, &model_));
    ASSERT_DONE(edgeclip_gallery_open(world().gallery().c_str(), &gallery_));
  }
  void TearDown() override {
    edgeclip_gallery_close(gallery_);
    edgeclip_model_close(model_);
  }

  edgeclip_model* model_ = nullptr;
  edgeclip_gallery* gallery_ = nullptr;
  edgeclip_hit hits_[kPictures] = {};
  std::size_t found_ = 0;
};

TEST_F(EdgeclipApi, SaysWhatAModelIs) {
  edgeclip_model_info info = EDGECLIP_INIT(edgeclip_model_info);
  ASSERT_DONE(edgeclip_model_get_info(model_, &info));
  EXPECT_EQ(info.embedding_dim, kSmallEmbedding);
  EXPECT_EQ(info.image_width, engine::test::kSmallWidth);
  EXPECT_EQ(info.image_height, engine::test::kSmallHeight);
  EXPECT_EQ(info.context_length, kSmallContext);
  EXPECT_EQ(info.max_batch, 4);
  EXPECT_STREQ(info.precision, "fp32");
  EXPECT_EQ(PlanEncoder(world().plan()).model_hash(), info.model_hash);
  // ABI 1.0 on 64-bit machines: grows at the end only.
  EXPECT_EQ(sizeof(edgeclip_model_options), 40u);
  EXPECT_EQ(sizeof(edgeclip_model_info), 56u);
  EXPECT_EQ(sizeof(edgeclip_item), 40u);
  EXPECT_EQ(sizeof(edgeclip_image), 24u);
  EXPECT_EQ(sizeof(edgeclip_hit), 16u);
}

TEST_F(EdgeclipApi, EncodesTexts) {
  PlanEncoder encoder(world().plan());
  const std::vector<std::string> texts = {"a man in a red coat",    "a woman",  "a man in a red coat",
                                          "a child in blue shorts", "a person", "black bag"};
  std::vector<const char*> pointers;
  for (const std::string& text : texts) pointers.push_back(text.c_str());
  Tensor rows(DType::f32, {6, kSmallEmbedding});
  ASSERT_DONE(edgeclip_encode_texts(model_, pointers.data(), 6, rows.data<float>(), 6 * kDim));
  EXPECT_LE(max_difference(rows, encode_texts(encoder, texts)), 1e-6);
  ASSERT_DONE(edgeclip_encode_texts(model_, nullptr, 0, nullptr, 0));
  const auto one = [&](const char* text) {
    return edgeclip_encode_texts(model_, &text, 1, rows.data<float>(), kDim);
  };
  EXPECT_SAYS(one(""), "text 1: is blank");
  EXPECT_SAYS(one(" \n"), "is blank");
  EXPECT_SAYS(one("a \xff"), "text 1");
  EXPECT_SAYS(one(nullptr), "text 0: is NULL");
  ASSERT_DONE(one(std::string(100000, 'a').c_str()));  // is cut off
}

TEST_F(EdgeclipApi, EncodesFilesAndPixelsAlike) {
  PlanEncoder encoder(world().plan());
  std::vector<std::string> files;
  std::vector<const char*> pointers;
  std::vector<Image> images;
  std::vector<std::vector<std::uint8_t>> padded;
  std::vector<edgeclip_image> views;
  for (int i = 0; i < kPictures; ++i) {
    files.push_back(world().picture(i));
    images.push_back(SmallWorld::pixels(i));
  }
  for (int i = 0; i < kPictures; ++i) {
    const Image& image = images[static_cast<std::size_t>(i)];
    pointers.push_back(files[static_cast<std::size_t>(i)].c_str());
    const std::size_t row = 15, step = i % 2 == 0 ? row : row + 7;
    padded.emplace_back(step * 8 + row);  // the last row has no padding
    for (int y = 0; y < 9; ++y)
      std::copy_n(image.row(y), row, &padded.back()[static_cast<std::size_t>(y) * step]);
    views.push_back({padded.back().data(), 5, 9, i % 2 == 0 ? 0 : step});
  }
  Tensor of_files(DType::f32, {kPictures, kSmallEmbedding}),
      of_pixels(DType::f32, {kPictures, kSmallEmbedding});
  const std::size_t floats = kPictures * kDim;
  ASSERT_DONE(
      edgeclip_encode_image_files(model_, pointers.data(), kPictures, of_files.data<float>(), floats));
  ASSERT_DONE(edgeclip_encode_images(model_, views.data(), kPictures, of_pixels.data<float>(), floats));
  EXPECT_EQ(max_difference(of_files, of_pixels), 0);
  EXPECT_LE(max_difference(of_files, test::rows_of(open_gallery(world().gallery()))), 1e-6);
}

TEST_F(EdgeclipApi, FindsAPicture) {
  ASSERT_DONE(edgeclip_search_image_file(model_, gallery_, world().picture(4).c_str(), 3, hits_, &found_));
  ASSERT_EQ(found_, 3u);
  EXPECT_EQ(hits_[0].item, 4u);
  EXPECT_NEAR(hits_[0].score, 1, 1e-5);
  EXPECT_GE(hits_[0].score, hits_[1].score);
  EXPECT_STREQ(edgeclip_gallery_path(gallery_, hits_[0].item), "4.png");
  EXPECT_EQ(edgeclip_gallery_image_root(gallery_), world().dir("images").string());
  edgeclip_item item = EDGECLIP_INIT(edgeclip_item);
  ASSERT_DONE(edgeclip_gallery_item(gallery_, 4, &item));
  EXPECT_STREQ(item.path, "4.png");
  EXPECT_STREQ(item.caption, "picture 4");
  EXPECT_EQ(item.id, 2);
  EXPECT_EQ(item.frame, -1);
  const Image pixels = SmallWorld::pixels(2);
  const edgeclip_image image = {pixels.rgb.data(), 5, 9, 0};
  ASSERT_DONE(edgeclip_search_image(model_, gallery_, &image, 1, hits_, &found_));
  EXPECT_EQ(hits_[0].item, 2u);
  float row[kDim];
  ASSERT_DONE(edgeclip_encode_images(model_, &image, 1, row, kDim));
  ASSERT_DONE(edgeclip_search_embedding(gallery_, row, kDim, 1, hits_, &found_));
  EXPECT_EQ(hits_[0].item, 2u);
}

TEST_F(EdgeclipApi, FindsByText) {
  ASSERT_EQ(edgeclip_gallery_size(gallery_), std::size_t{kPictures});
  edgeclip_hit many[100];
  ASSERT_DONE(edgeclip_search_text(model_, gallery_, "a woman with a black bag", 100, many, &found_));
  ASSERT_EQ(found_, std::size_t{kPictures}) << "no more than there are";
  float row[kDim];
  const char* text = "a woman with a black bag";
  ASSERT_DONE(edgeclip_encode_texts(model_, &text, 1, row, kDim));
  std::size_t again = 0;
  ASSERT_DONE(edgeclip_search_embedding(gallery_, row, kDim, static_cast<std::size_t>(-1), hits_, &again));
  ASSERT_EQ(again, found_);
  for (std::size_t i = 0; i < found_; ++i) EXPECT_EQ(hits_[i].item, many[i].item);
}

TEST_F(EdgeclipApi, CallsAtOnce) {
  std::vector<std::string> wrong(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20 && wrong[t].empty(); ++i) {
        const std::size_t picture = (t + static_cast<std::size_t>(i)) % kPictures;
        edgeclip_hit hit{};
        std::size_t found = 0;
        if (edgeclip_search_image_file(model_, gallery_, world().picture(static_cast<int>(picture)).c_str(),
                                       1, &hit, &found) != EDGECLIP_OK)
          wrong[t] = edgeclip_last_error();
        else if (found != 1 || hit.item != picture)
          wrong[t] = "another picture";
      }
    });
  for (auto& thread : threads) thread.join();
  for (const std::string& said : wrong) EXPECT_EQ(said, "");
}

TEST_F(EdgeclipApi, RefusesWhatIsNoModel) {
  edgeclip_model* model = model_;
  EXPECT_SAYS(edgeclip_model_open(nullptr, nullptr, &model), "plan: is NULL");
  EXPECT_EQ(model, nullptr);
  EXPECT_SAYS(edgeclip_model_open("x", nullptr, nullptr), "model: is NULL");
  EXPECT_SAYS(edgeclip_model_open("/nowhere", nullptr, &model), "/nowhere");
  EXPECT_SAYS(edgeclip_model_open(world().gallery().c_str(), nullptr, &model), "plan.json");
  builder::BuildOptions options;
  options.model = (world().dir("bundle") / "image.onnx").string();
  options.batches = {};
  options.shape = {"pixel_values=1x3x8x4"};
  options.out = world().dir("no-dual-encoder").string();
  builder::build_plan(options);
  EXPECT_SAYS(edgeclip_model_open(options.out.c_str(), nullptr, &model), "task \"dual_encoder\"");
  edgeclip_model_options wrong = {};
  EXPECT_SAYS(edgeclip_model_open(world().plan().c_str(), &wrong, &model), "struct_size is 0");
  wrong = EDGECLIP_INIT(edgeclip_model_options);
  wrong.threads = 1 << 20;
  EXPECT_SAYS(edgeclip_model_open(world().plan().c_str(), &wrong, &model), "threads");
  wrong.threads = 1;
  wrong.memory_pool_mb = 1ll << 40;
  EXPECT_SAYS(edgeclip_model_open(world().plan().c_str(), &wrong, &model), "options: memory_pool_mb");
  EXPECT_EQ(model, nullptr);
  edgeclip_model_close(nullptr);
}

TEST_F(EdgeclipApi, RefusesBadImages) {
  float row[2 * kDim];
  const auto file = [&](const char* path) {
    return edgeclip_encode_image_files(model_, &path, 1, row, kDim);
  };
  EXPECT_SAYS(file("/nowhere.jpg"), "/nowhere.jpg");
  EXPECT_SAYS(file(nullptr), "path 0: is NULL");
  EXPECT_SAYS(file(world().plan().c_str()), world().plan());
  const std::string damaged = world().dir("damaged.png").string();
  write_text(damaged, "\x89PNG\r\n\x1a\n and no more");
  EXPECT_SAYS(file(damaged.c_str()), "damaged.png");
  const std::vector<std::uint8_t> pixels(300);
  const auto image = [&](const std::uint8_t* rgb, std::int32_t width, std::int32_t height,
                         std::size_t row_bytes) {
    const edgeclip_image one = {rgb, width, height, row_bytes};
    return edgeclip_encode_images(model_, &one, 1, row, kDim);
  };
  EXPECT_EQ(image(pixels.data(), 10, 10, 0), EDGECLIP_OK);
  EXPECT_EQ(image(pixels.data(), 1, 1, 0), EDGECLIP_OK);
  EXPECT_SAYS(image(nullptr, 10, 10, 0), "image 0: rgb is NULL");
  EXPECT_SAYS(image(pixels.data(), 0, 10, 0), "0 x 10 pixels");
  EXPECT_SAYS(image(pixels.data(), 10, -1, 0), "10 x -1 pixels");
  EXPECT_SAYS(image(pixels.data(), 1 << 30, 10, 0), "pixels");
  EXPECT_SAYS(image(pixels.data(), 10, 10, 29), "row_bytes is 29, a row has 30");
  const edgeclip_image good = {pixels.data(), 10, 10, 0};
  EXPECT_SAYS(edgeclip_encode_images(model_, &good, 1, row, kDim - 1), "do not fit into 15");
  EXPECT_SAYS(edgeclip_encode_images(model_, &good, static_cast<std::size_t>(-1), row, 2 * kDim),
              "do not fit");
  EXPECT_SAYS(edgeclip_encode_images(model_, &good, 1, nullptr, kDim), "embeddings: is NULL");
  EXPECT_SAYS(edgeclip_encode_images(model_, nullptr, 1, row, kDim), "images: is NULL");
  EXPECT_SAYS(edgeclip_encode_images(nullptr, &good, 1, row, kDim), "model: is NULL");
  EXPECT_SAYS(edgeclip_encode_image_files(model_, nullptr, 1, row, kDim), "paths: is NULL");
  EXPECT_SAYS(edgeclip_encode_texts(model_, nullptr, 1, row, kDim), "texts: is NULL");
  EXPECT_SAYS(edgeclip_model_get_info(model_, nullptr), "info: is NULL");
  edgeclip_model_info info = EDGECLIP_INIT(edgeclip_model_info);
  EXPECT_SAYS(edgeclip_model_get_info(nullptr, &info), "model: is NULL");
}

TEST_F(EdgeclipApi, RefusesBadSearches) {
  const char* text = "a person";
  found_ = 5;
  EXPECT_SAYS(edgeclip_search_text(nullptr, gallery_, text, 1, hits_, &found_), "model: is NULL");
  EXPECT_EQ(found_, 0u);
  EXPECT_SAYS(edgeclip_search_text(model_, nullptr, text, 1, hits_, &found_), "gallery: is NULL");
  EXPECT_SAYS(edgeclip_search_text(model_, gallery_, nullptr, 1, hits_, &found_), "text 0: is NULL");
  EXPECT_SAYS(edgeclip_search_text(model_, gallery_, text, 0, hits_, &found_), "top: 0");
  EXPECT_SAYS(edgeclip_search_text(model_, gallery_, text, 1, nullptr, &found_), "hits: is NULL");
  EXPECT_SAYS(edgeclip_search_text(model_, gallery_, text, 1, hits_, nullptr), "found: is NULL");
  EXPECT_SAYS(edgeclip_search_image(model_, gallery_, nullptr, 1, hits_, &found_), "images: is NULL");
  EXPECT_SAYS(edgeclip_search_image_file(model_, gallery_, "", 1, hits_, &found_), "");
  float row[kDim] = {1};
  ASSERT_DONE(edgeclip_search_embedding(gallery_, row, kDim, 1, hits_, &found_));
  EXPECT_SAYS(edgeclip_search_embedding(gallery_, row, kDim - 1, 1, hits_, &found_),
              "15 numbers, those of the gallery have 16");
  EXPECT_SAYS(edgeclip_search_embedding(gallery_, nullptr, kDim, 1, hits_, &found_), "embedding: is NULL");
  row[1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_SAYS(edgeclip_search_embedding(gallery_, row, kDim, 1, hits_, &found_), "its length is");
  row[1] = 2;
  EXPECT_SAYS(edgeclip_search_embedding(gallery_, row, kDim, 1, hits_, &found_), "its length is 2.2");
  EXPECT_EQ(found_, 0u);
}

TEST_F(EdgeclipApi, RefusesBadGalleries) {
  edgeclip_gallery* gallery = gallery_;
  EXPECT_SAYS(edgeclip_gallery_open(nullptr, &gallery), "path: is NULL");
  EXPECT_EQ(gallery, nullptr);
  EXPECT_SAYS(edgeclip_gallery_open("x", nullptr), "gallery: is NULL");
  EXPECT_SAYS(edgeclip_gallery_open("/nowhere", &gallery), "/nowhere");
  EXPECT_SAYS(edgeclip_gallery_open(world().plan().c_str(), &gallery), "gallery.json");
  edgeclip_item item = EDGECLIP_INIT(edgeclip_item);
  EXPECT_SAYS(edgeclip_gallery_item(gallery_, kPictures, &item), "item 6: there are 6");
  EXPECT_SAYS(edgeclip_gallery_item(nullptr, 0, &item), "gallery: is NULL");
  EXPECT_SAYS(edgeclip_gallery_item(gallery_, 0, nullptr), "item: is NULL");
  EXPECT_EQ(edgeclip_gallery_path(gallery_, kPictures), nullptr);
  EXPECT_EQ(edgeclip_gallery_path(nullptr, 0), nullptr);
  EXPECT_EQ(edgeclip_gallery_size(nullptr), 0u);
  EXPECT_STREQ(edgeclip_gallery_image_root(nullptr), "");
  // Of another model.
  const GallerySnapshot own = open_gallery(world().gallery());
  GalleryManifest other;
  other.embedding_space = "another";
  other.embedding_dim = own.manifest().embedding_dim;
  test::add_to_gallery(world().dir("other-gallery"), other, test::items_of(own), test::rows_of(own));
  ASSERT_DONE(edgeclip_gallery_open(world().dir("other-gallery").c_str(), &gallery));
  EXPECT_SAYS(edgeclip_search_text(model_, gallery, "a person", 1, hits_, &found_), "model");
  edgeclip_gallery_close(gallery);
  edgeclip_gallery_close(nullptr);
}

TEST_F(EdgeclipApi, AnEmptyGallery) {
  GalleryManifest none = open_gallery(world().gallery()).manifest();
  none.sources.clear();
  none.segments.clear();
  test::add_to_gallery(world().dir("empty-gallery"), none, {}, Tensor(DType::f32, {0, kSmallEmbedding}));
  edgeclip_gallery* gallery = nullptr;
  ASSERT_DONE(edgeclip_gallery_open(world().dir("empty-gallery").c_str(), &gallery));
  ASSERT_DONE(edgeclip_search_text(model_, gallery, "a person", 3, hits_, &found_));
  EXPECT_EQ(found_, 0u);
  edgeclip_gallery_close(gallery);
}

}  // namespace
}  // namespace edgeclip::test
