#include "data/dataset/compose_batch.h"

#include <map>
#include <set>

#include "base/error.h"
#include "loader_set.h"

namespace edgeclip {
namespace {

using test::augment_all;
using test::invalid_input_of;
using test::Set;

std::vector<std::int32_t> row_of(const Tensor& tokens, std::int64_t row) {
  const std::int32_t* first = tokens.data<std::int32_t>() + row * tokens.dim(1);
  return {first, first + tokens.dim(1)};
}

/// Without the padding; the dataset's tokenizer pads with what stands in no caption.
std::vector<std::int32_t> unpadded(std::vector<std::int32_t> row, std::int32_t pad) {
  while (!row.empty() && row.back() == pad) row.pop_back();
  return row;
}

TEST(ComposeBatch, CaptionsAreThoseOfTheTokens) {
  Set set(5, 2);
  for (const char* captions : {"one", "all"}) {
    set.options.loading.captions = captions;
    std::set<std::int64_t> seen;
    for (const std::int64_t epoch : {0, 1, 2})
      for (const Batch& batch : set.epoch(epoch)) {
        ASSERT_EQ(batch.captions.size(), batch.images.size());
        for (std::size_t i = 0; i < batch.captions.size(); ++i) {
          const Pair& pair = set.dataset.pairs[static_cast<std::size_t>(batch.captions[i])];
          EXPECT_EQ(pair.path, set.dataset.images[static_cast<std::size_t>(batch.images[i])].path);
          EXPECT_EQ(pair.id, batch.ids[i]);
          const std::int32_t pad = set.dataset.tokenizer->pad_id();
          EXPECT_EQ(unpadded(row_of(batch.tokens, static_cast<std::int64_t>(i)), pad),
                    unpadded(row_of(set.dataset.tokens, batch.captions[i]), pad));
          EXPECT_FALSE(batch.image_augmented[i]);
          EXPECT_FALSE(batch.caption_augmented[i]);
          seen.insert(batch.captions[i]);
        }
      }
    EXPECT_GT(seen.size(), 10u) << "of the 20 captions of 10 images";
  }
}

/// The flags say which rows differ from what the dataset holds.
TEST(ComposeBatch, FlagsSayWhatWasAugmented) {
  Set set(8, 3);
  set.options.shuffle = false;
  set.options.batch = 24;
  const auto plain = set.epoch(0);
  const auto augmented = [&](const char* what, auto change) {
    SCOPED_TRACE(what);
    set.options.augment = {};
    change(set.options.augment);
    int images = 0, captions = 0;
    const Batch batch = std::move(set.epoch(0)[0]);
    const std::int64_t size = 3 * 16 * 8;
    for (std::int64_t i = 0; i < 24; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const float* was = plain[0].pixels.data<float>() + i * size;
      EXPECT_EQ(!std::equal(was, was + size, batch.pixels.data<float>() + i * size),
                batch.image_augmented[at] != 0);
      const std::int32_t pad = set.dataset.tokenizer->pad_id();
      EXPECT_EQ(unpadded(row_of(plain[0].tokens, i), pad) != unpadded(row_of(batch.tokens, i), pad),
                batch.caption_augmented[at] != 0);
      images += batch.image_augmented[at];
      captions += batch.caption_augmented[at];
    }
    return std::pair(images, captions);
  };
  const auto some = [](int n) { return n > 0 && n < 24; };
  const auto [none, no_caption] = augmented("nothing", [](AugmentOptions&) {});
  EXPECT_EQ(none, 0);
  EXPECT_EQ(no_caption, 0);
  EXPECT_TRUE(some(augmented("flip", [](AugmentOptions& a) { a.flip.probability = 0.5; }).first));
  EXPECT_TRUE(some(augmented("crop", [](AugmentOptions& a) { a.resized_crop.probability = 0.5; }).first));
  EXPECT_TRUE(some(augmented("shift", [](AugmentOptions& a) { a.pad_crop.pixels = 1; }).first));
  EXPECT_TRUE(some(augmented("grey", [](AugmentOptions& a) { a.greyscale.probability = 0.5; }).first));
  EXPECT_TRUE(some(augmented("erased", [](AugmentOptions& a) { a.erasing.probability = 0.5; }).first));
  EXPECT_TRUE(some(augmented("colours", [](AugmentOptions& a) {
                     a.color_jitter.probability = 0.5;
                     a.color_jitter.brightness = 0.5;
                   }).first));
  const auto [images, captions] = augmented("tokens", [](AugmentOptions& a) { a.tokens.drop = 0.1; });
  EXPECT_EQ(images, 0);
  EXPECT_TRUE(some(captions));
}

/// With all captions, an image's changes differ from caption to caption, whatever batch they stand in.
TEST(ComposeBatch, EachCaptionOfAnImageHasDrawsOfItsOwn) {
  Set set(6, 2);
  set.options.loading.captions = "all";
  augment_all(set.options.augment);
  const std::int64_t size = 3 * 16 * 8;
  const auto pixels_of_captions = [&] {
    std::map<std::int64_t, std::vector<float>> pixels;
    for (const Batch& batch : set.epoch(1))
      for (std::size_t i = 0; i < batch.captions.size(); ++i) {
        const float* from = batch.pixels.data<float>() + static_cast<std::int64_t>(i) * size;
        EXPECT_TRUE(pixels.emplace(batch.captions[i], std::vector<float>(from, from + size)).second);
      }
    return pixels;
  };
  const auto pixels = pixels_of_captions();
  ASSERT_EQ(pixels.size(), 24u);
  EXPECT_EQ(std::set<std::vector<float>>([&] {
              std::set<std::vector<float>> looks;
              for (const auto& [caption, values] : pixels) looks.insert(values);
              return looks;
            }())
                .size(),
            24u);
  set.options.shuffle = false;
  set.options.batch = 12;
  EXPECT_EQ(pixels_of_captions(), pixels);
}

TEST(ComposeBatch, OptionsWithoutMeaningAreRefused) {
  Set set(4, 2);
  const auto refusal = [&] {
    const std::string text = invalid_input_of([&] { Loader(set.dataset, set.transform, set.options); });
    set.options.loading = {};
    return text;
  };
  set.options.loading.captions = "some";
  EXPECT_NE(refusal().find("loading.captions: \"some\""), std::string::npos);
  set.options.loading.unique_ids = "never";
  EXPECT_NE(refusal().find("loading.unique_ids: \"never\""), std::string::npos);
  set.options.loading.unique_ids = "always";
  set.options.loading.identities = set.options.loading.images_per_identity = 2;
  EXPECT_NE(refusal().find("loading.unique_ids: always has no effect"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip
