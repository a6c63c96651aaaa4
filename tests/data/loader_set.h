#pragma once

#include <algorithm>
#include <vector>

#include "data/dataset/loader.h"
#include "data/dataset/write_dataset.h"
#include "encode.h"
#include "support/support.h"

namespace edgeclip::test {

/// `people` persons with `each` images of two captions.
struct Set {
  TempDir dir;
  Dataset dataset;
  ImageTransform transform;
  LoaderOptions options;

  Set(int people, int each) {
    std::vector<Pair> pairs;
    for (int p = 0; p < people; ++p)
      for (int i = 0; i < each; ++i) {
        const std::string path = std::to_string(p) + "_" + std::to_string(i) + ".png";
        write_png(dir / path, picture(12, 20, p * each + i));
        pairs.push_back({"train", p, path, "person " + std::to_string(p), -1});
        pairs.push_back({"train", p, path, "another longer caption of person " + std::to_string(p), -1});
      }
    write_dataset(dir.path(), {.pairs = pairs, .tokenizer = "train:200", .context_length = 32});
    dataset = open_dataset(dir.path());
    transform.height = 16;
    transform.width = 8;
    options.batch = 4;
    options.loading.threads = 3;
  }
  std::vector<Batch> epoch(std::int64_t e, std::int64_t skip = 0) {
    Loader loader(dataset, transform, options);
    return epoch(loader, e, skip);
  }
  static std::vector<Batch> epoch(Loader& loader, std::int64_t e, std::int64_t skip = 0) {
    std::vector<Batch> batches;
    loader.start_epoch(e, skip);
    while (auto batch = loader.next()) batches.push_back(std::move(*batch));
    EXPECT_FALSE(loader.next());
    return batches;
  }
};

/// A bit of everything, so that most rows are changed.
inline void augment_all(AugmentOptions& augment) {
  augment.flip.probability = 0.5;
  augment.resized_crop.probability = 0.5;
  augment.pad_crop.pixels = 2;
  augment.color_jitter.brightness = augment.color_jitter.hue = 0.3;
  augment.greyscale.probability = 0.2;
  augment.erasing.probability = 0.5;
  augment.tokens.drop = augment.tokens.mask = 0.2;
}

inline void expect_equal(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].images, b[i].images);
    EXPECT_EQ(a[i].ids, b[i].ids);
    EXPECT_EQ(a[i].captions, b[i].captions);
    EXPECT_EQ(a[i].image_augmented, b[i].image_augmented);
    EXPECT_EQ(a[i].caption_augmented, b[i].caption_augmented);
    ASSERT_EQ(a[i].tokens.shape(), b[i].tokens.shape());
    ASSERT_EQ(a[i].pixels.shape(), b[i].pixels.shape());
    EXPECT_TRUE(std::equal(a[i].tokens.raw(), a[i].tokens.raw() + a[i].tokens.bytes(), b[i].tokens.raw()));
    ASSERT_EQ(a[i].second_pixels.defined(), b[i].second_pixels.defined());
    if (a[i].second_pixels.defined())
      EXPECT_TRUE(std::equal(a[i].second_pixels.raw(), a[i].second_pixels.raw() + a[i].second_pixels.bytes(),
                             b[i].second_pixels.raw()));
    EXPECT_TRUE(std::equal(a[i].pixels.raw(), a[i].pixels.raw() + a[i].pixels.bytes(), b[i].pixels.raw()));
  }
}

}  // namespace edgeclip::test
