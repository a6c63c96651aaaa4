#include "data/dataset/loader.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/signals.h"
#include "data/dataset/write_dataset.h"
#include "loader_set.h"
#include "support/support.h"

namespace edgeclip {
namespace {

using test::expect_equal;
using test::invalid_input_of;
using test::picture;
using test::Set;
using test::TempDir;
using test::write_text;

TEST(Loader, SameSeedAndEpochGiveTheSameBytes) {
  Set set(5, 3);
  set.options.augment.flip.probability = 0.5;
  const auto first = set.epoch(4);
  set.options.loading.threads = 1;
  set.options.loading.cache_mb = 0;
  set.options.loading.queue = 1;
  expect_equal(set.epoch(4), first);
  Loader loader(set.dataset, set.transform, set.options);
  Set::epoch(loader, 0);
  expect_equal(Set::epoch(loader, 4), first);
  const auto other = set.epoch(5);
  EXPECT_NE(other[0].images, first[0].images);
}

TEST(Loader, ASecondViewHasDrawsOfItsOwnAndChangesNothingElse) {
  Set set(5, 3);
  test::augment_all(set.options.augment);
  const auto plain = set.epoch(2);
  EXPECT_FALSE(plain[0].second_pixels.defined());
  set.options.second_view = true;
  auto both = set.epoch(2);
  set.options.loading.threads = 1;
  expect_equal(set.epoch(2), both);
  const auto rest = set.epoch(2, /*skip=*/1);  // a run that goes on
  expect_equal(rest, std::vector<Batch>(both.begin() + 1, both.end()));
  std::size_t different = 0;
  for (Batch& batch : both) {
    ASSERT_EQ(batch.second_pixels.shape(), batch.pixels.shape());
    different += !std::equal(batch.pixels.raw(), batch.pixels.raw() + batch.pixels.bytes(), batch.second_pixels.raw());
    batch.second_pixels = Tensor();
  }
  EXPECT_EQ(different, both.size());
  expect_equal(both, plain);

  set.options.augment = {};
  for (const Batch& batch : set.epoch(2))
    EXPECT_TRUE(std::equal(batch.pixels.raw(), batch.pixels.raw() + batch.pixels.bytes(), batch.second_pixels.raw()));
}

TEST(Loader, CacheChangesNothing) {
  Set set(5, 3);
  set.options.augment.flip.probability = 0.5;
  Loader loader(set.dataset, set.transform, set.options);
  Set::epoch(loader, 0);
  const auto cached = Set::epoch(loader, 1);
  for (const auto& image : set.dataset.images) std::filesystem::remove(set.dataset.image_path(image.path));
  expect_equal(Set::epoch(loader, 1), cached);  // without the files: from memory
  set.options.loading.cache_mb = 0;
  Loader uncached(set.dataset, set.transform, set.options);
  uncached.start_epoch(0);
  invalid_input_of([&] { uncached.next(); });
}

TEST(Loader, PixelsAndTokensAreThoseOfTheImage) {
  Set set(3, 2);
  set.options.shuffle = false;
  set.options.drop_last = false;
  const auto batches = set.epoch(0);
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].images, (std::vector<std::int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(batches[1].pixels.shape(), (Shape{2, 3, 16, 8}));
  EXPECT_EQ(batches[1].ids, (std::vector<std::int64_t>{2, 2}));
  for (const auto& batch : batches)
    for (std::size_t i = 0; i < batch.images.size(); ++i) {
      const ImageItem& image = set.dataset.images[static_cast<std::size_t>(batch.images[i])];
      std::vector<float> expected(3 * 16 * 8);
      transform_image(read_image(set.dataset.image_path(image.path)), set.transform, expected.data());
      EXPECT_TRUE(
          std::equal(expected.begin(), expected.end(), batch.pixels.data<float>() + i * expected.size()));
      const std::int64_t length = batch.tokens.dim(1);
      const std::int32_t* row = batch.tokens.data<std::int32_t>() + static_cast<std::int64_t>(i) * length;
      int matches = 0;
      for (const auto r : image.rows) {
        auto ids = set.dataset.tokenizer->encode_with_ends(
            set.dataset.pairs[static_cast<std::size_t>(r)].caption, 32);
        if (static_cast<std::int64_t>(ids.size()) > length) continue;
        ids.resize(static_cast<std::size_t>(length), 0);
        matches += std::equal(ids.begin(), ids.end(), row);
      }
      EXPECT_EQ(matches, 1);
    }
}

TEST(Loader, BothCaptionsAndBothFlipsAreDrawn) {
  Set set(4, 2);
  set.options.shuffle = false;
  set.options.augment.flip.probability = 0.5;
  std::set<std::vector<float>> looks;
  std::set<std::vector<std::int32_t>> texts;
  Loader loader(set.dataset, set.transform, set.options);
  for (int e = 0; e < 12; ++e) {
    const auto batches = Set::epoch(loader, e);
    const float* p = batches[0].pixels.data<float>();
    looks.insert(std::vector<float>(p, p + 3 * 16 * 8));
    texts.insert(std::vector<std::int32_t>(batches[0].tokens.data<std::int32_t>(),
                                           batches[0].tokens.data<std::int32_t>() + 3));
  }
  EXPECT_EQ(looks.size(), 2u);
  EXPECT_EQ(texts.size(), 2u);
}

TEST(Loader, EachImageOnceAndPersonsApart) {
  Set set(8, 3);
  std::multiset<std::int64_t> seen;
  for (const auto& batch : set.epoch(2)) {
    seen.insert(batch.images.begin(), batch.images.end());
    EXPECT_EQ(std::set<std::int64_t>(batch.ids.begin(), batch.ids.end()).size(), batch.ids.size());
  }
  EXPECT_EQ(seen.size(), 24u);
  EXPECT_EQ(std::set<std::int64_t>(seen.begin(), seen.end()).size(), 24u);
}

TEST(Loader, FewPersonsStillFillTheBatch) {
  Set set(2, 6);
  const auto batches = set.epoch(0);
  ASSERT_EQ(batches.size(), 3u);
  for (const auto& batch : batches) EXPECT_EQ(batch.images.size(), 4u);
}

TEST(Loader, LastBatchAndSkip) {
  Set set(5, 2);
  EXPECT_EQ(Loader(set.dataset, set.transform, set.options).batches_per_epoch(), 2);
  const auto all = set.epoch(1);
  ASSERT_EQ(all.size(), 2u);
  expect_equal(set.epoch(1, 1), {all[1]});
  EXPECT_TRUE(set.epoch(1, 2).empty());
  EXPECT_TRUE(set.epoch(1, 99).empty());
  set.options.drop_last = false;
  EXPECT_EQ(set.epoch(1).back().images.size(), 2u);
  set.options.batch = 64;
  EXPECT_EQ(set.epoch(1).front().images.size(), 10u);
}

TEST(Loader, CorruptImagesLeaveTheirBatchAndAreCounted) {
  Set set(4, 2);
  set.options.shuffle = false;
  set.options.batch = 2;
  set.options.loading.on_corrupt = "skip";
  const auto whole = set.epoch(0);
  for (const std::size_t broken : {2u, 4u})
    write_text(set.dataset.image_path(set.dataset.images[broken].path), "no image");
  Loader loader(set.dataset, set.transform, set.options);
  const auto batches = Set::epoch(loader, 0);
  ASSERT_EQ(batches.size(), 4u);
  expect_equal({batches[0], batches[3]}, {whole[0], whole[3]});
  EXPECT_EQ(batches[1].images, std::vector<std::int64_t>{3});
  EXPECT_EQ(batches[1].pixels.shape(), (Shape{1, 3, 16, 8}));
  const float* kept = whole[1].pixels.data<float>() + 3 * 16 * 8;
  EXPECT_TRUE(std::equal(kept, kept + 3 * 16 * 8, batches[1].pixels.data<float>()));
  EXPECT_EQ(loader.corrupt_images(), 2);
  Set::epoch(loader, 1);
  EXPECT_EQ(loader.corrupt_images(), 2);
}

TEST(Loader, ABatchWithoutAnyReadableImageIsAnError) {
  Set set(2, 2);
  set.options.shuffle = false;
  set.options.batch = 2;
  set.options.loading.on_corrupt = "skip";
  for (const std::size_t broken : {2u, 3u})
    write_text(set.dataset.image_path(set.dataset.images[broken].path), "no image");
  Loader loader(set.dataset, set.transform, set.options);
  loader.start_epoch(0);
  EXPECT_TRUE(loader.next());
  EXPECT_NE(invalid_input_of([&] { loader.next(); }).find("none of the 2 images of a batch"),
            std::string::npos);
}

TEST(Loader, EndsCleanlyWhileImagesAreLeftOut) {
  Set set(12, 4);
  set.options.loading.on_corrupt = "skip";
  set.options.loading.queue = 8;
  for (const auto& image : set.dataset.images) write_text(set.dataset.image_path(image.path), "no image");
  for (int i = 0; i < 20; ++i) {
    Loader loader(set.dataset, set.transform, set.options);
    loader.start_epoch(i);
    if (i % 2) invalid_input_of([&] { loader.next(); });
  }
}

TEST(Loader, AugmentationIsAFunctionOfSeedEpochAndImage) {
  Set set(5, 3);
  test::augment_all(set.options.augment);
  const auto first = set.epoch(2);
  const auto rest = set.epoch(2, 1);
  expect_equal(rest, {first.begin() + 1, first.end()});
  set.options.loading.threads = 1;
  set.options.loading.cache_mb = 0;
  expect_equal(set.epoch(2), first);
  // The same image in another order and batch gets the same pixels and tokens.
  set.options.shuffle = false;
  set.options.batch = 15;
  const auto all = set.epoch(2);
  const std::int64_t size = 3 * 16 * 8;
  for (const auto& batch : first)
    for (std::size_t i = 0; i < batch.images.size(); ++i) {
      const float* a = batch.pixels.data<float>() + static_cast<std::int64_t>(i) * size;
      EXPECT_TRUE(std::equal(a, a + size, all[0].pixels.data<float>() + batch.images[i] * size));
    }
  const auto later = set.epoch(3);
  EXPECT_FALSE(std::equal(later[0].pixels.raw(), later[0].pixels.raw() + later[0].pixels.bytes(),
                          all[0].pixels.raw()));
}

/// One image with one caption, always flipped.
TEST(Loader, FlippedSidesFollowTheRule) {
  TempDir dir;
  write_png(dir / "a.png", picture(12, 20, 1));
  write_dataset(dir.path(),
                {.pairs = {{"train", 1, "a.png", "a bag in the left hand and the right hand", -1}},
                 .tokenizer = "train:60",
                 .context_length = 32});
  const Dataset dataset = open_dataset(dir.path());
  ImageTransform transform;
  transform.height = 16;
  transform.width = 8;
  LoaderOptions options;
  options.batch = 1;
  const auto batch = [&](double probability, const char* sides) {
    options.augment.flip = {probability, sides};
    Loader loader(dataset, transform, options);
    loader.start_epoch(0);
    return *loader.next();
  };
  const auto text_of = [&](const Batch& b) {
    return dataset.tokenizer->decode(
        {b.tokens.data<std::int32_t>() + 1, b.tokens.data<std::int32_t>() + b.tokens.elements() - 1});
  };
  const auto same_pixels = [](const Batch& a, const Batch& b) {
    return std::equal(a.pixels.raw(), a.pixels.raw() + a.pixels.bytes(), b.pixels.raw());
  };
  const Batch plain = batch(0, "swap"), swapped = batch(1, "swap"), kept = batch(1, "no_flip"),
              ignored = batch(1, "ignore");
  EXPECT_EQ(text_of(plain), "a bag in the left hand and the right hand");
  EXPECT_EQ(text_of(swapped), "a bag in the right hand and the left hand");
  EXPECT_EQ(text_of(kept), text_of(plain));
  EXPECT_EQ(text_of(ignored), text_of(plain));
  EXPECT_FALSE(same_pixels(plain, swapped));
  EXPECT_TRUE(same_pixels(plain, kept));
  EXPECT_TRUE(same_pixels(swapped, ignored));
}

TEST(Loader, EndsCleanlyAtAnyTime) {
  Set set(8, 4);
  set.options.batch = 2;
  set.options.loading.queue = 1;
  for (int taken = 0; taken < 6; ++taken) {
    Loader loader(set.dataset, set.transform, set.options);
    loader.start_epoch(0);
    for (int i = 0; i < taken; ++i) ASSERT_TRUE(loader.next());
    if (taken % 2) loader.start_epoch(1);
  }
  Loader unused(set.dataset, set.transform, set.options);
}

TEST(Loader, FailuresArriveInNext) {
  Set set(4, 1);
  write_text(set.dataset.image_path(set.dataset.images[2].path), "no image");
  Loader loader(set.dataset, set.transform, set.options);
  loader.start_epoch(0);
  const std::string refusal = invalid_input_of([&] { loader.next(); });
  EXPECT_NE(refusal.find("2_0.png"), std::string::npos);
  EXPECT_NE(refusal.find("; loading.on_corrupt skip leaves such images out"), std::string::npos) << refusal;
  set_interrupted(true);
  EXPECT_THROW(loader.next(), Interrupted);
  set_interrupted(false);
  set.options.batch = 0;
  invalid_input_of([&] { Loader(set.dataset, set.transform, set.options); });
  set.options.batch = 2;
  set.options.split = "val";
  invalid_input_of([&] { Loader(set.dataset, set.transform, set.options); });
}

TEST(Loader, LoadPixelsKeepsTheOrder) {
  Set set(3, 1);
  std::vector<std::filesystem::path> paths;
  for (const auto& image : set.dataset.images) paths.push_back(set.dataset.image_path(image.path));
  const Tensor pixels = load_pixels(paths, set.transform, 2);
  EXPECT_EQ(pixels.shape(), (Shape{3, 3, 16, 8}));
  std::vector<float> expected(3 * 16 * 8);
  transform_image(read_image(paths[2]), set.transform, expected.data());
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), pixels.data<float>() + 2 * expected.size()));
  EXPECT_EQ(load_pixels({}, set.transform).shape(), (Shape{0, 3, 16, 8}));
  paths[1] = "missing.png";
  invalid_input_of([&] { load_pixels(paths, set.transform); });
}

}  // namespace
}  // namespace edgeclip
