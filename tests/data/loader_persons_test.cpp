#include <set>

#include "base/error.h"
#include "loader_set.h"

/// Batches of so many persons with so many images each.
namespace edgeclip {
namespace {

using test::invalid_input_of;
using test::picture;
using test::Set;

TEST(Loader, PersonsTimesImages) {
  Set set(5, 3);
  set.options.loading.identities = 2;
  set.options.loading.images_per_identity = 2;
  const auto batches = set.epoch(1);
  ASSERT_EQ(batches.size(), 5u);  // 10 groups of two
  std::set<std::int64_t> seen;
  for (const auto& batch : batches) {
    ASSERT_EQ(batch.ids.size(), 4u);
    EXPECT_EQ(batch.ids[0], batch.ids[1]);
    EXPECT_EQ(batch.ids[2], batch.ids[3]);
    EXPECT_NE(batch.ids[0], batch.ids[2]);
    EXPECT_NE(batch.images[0], batch.images[1]);
    seen.insert(batch.images.begin(), batch.images.end());
  }
  EXPECT_EQ(seen.size(), 15u);
  EXPECT_EQ(Loader(set.dataset, set.transform, set.options).batches_per_epoch(), 5);
}

TEST(Loader, PersonsOfABatchDifferWhateverTheirImages) {
  Set set(4, 1);
  // Person 0 has 9 images, the others one each.
  std::vector<Pair> pairs = set.dataset.pairs;
  for (int i = 1; i < 9; ++i) {
    const std::string path = "0_" + std::to_string(i) + ".png";
    write_png(set.dir / path, picture(12, 20, 50 + i));
    pairs.push_back({"train", 0, path, "person 0", -1});
  }
  write_dataset(set.dir.path(), {.pairs = pairs, .tokenizer = "train:200", .context_length = 32});
  set.dataset = open_dataset(set.dir.path());
  set.options.loading.identities = 2;
  set.options.loading.images_per_identity = 2;
  std::set<std::int64_t> persons;
  for (const int e : {0, 1, 2}) {
    const auto batches = set.epoch(e);
    EXPECT_EQ(batches.size(), 3u);  // person 0 with each of the others
    for (const auto& batch : batches) {
      ASSERT_EQ(batch.ids.size(), 4u);
      EXPECT_NE(batch.ids[0], batch.ids[2]);
      persons.insert(batch.ids.begin(), batch.ids.end());
    }
  }
  EXPECT_EQ(persons.size(), 4u);
  for (const auto& [identities, each] : {std::pair{5, 2}, {1, 2}, {2, 0}, {60000, 2}}) {
    set.options.loading.identities = identities;
    set.options.loading.images_per_identity = each;
    EXPECT_NE(invalid_input_of([&] { Loader(set.dataset, set.transform, set.options); }).find("identities"),
              std::string::npos);
  }
}

TEST(Loader, RepeatedImagesAreDrawnAnew) {
  Set set(2, 1);
  set.options.loading.identities = 2;
  set.options.loading.images_per_identity = 16;
  set.options.augment.flip.probability = 0.5;
  const auto batches = set.epoch(0);
  ASSERT_EQ(batches.size(), 1u);
  const Batch& batch = batches[0];
  const std::int64_t size = 3 * 16 * 8, length = batch.tokens.dim(1);
  std::set<std::vector<float>> pixels;
  std::set<std::vector<std::int32_t>> captions;
  for (std::int64_t i = 0; i < 16; ++i) {
    const float* p = batch.pixels.data<float>() + i * size;
    const std::int32_t* t = batch.tokens.data<std::int32_t>() + i * length;
    pixels.insert({p, p + size});
    captions.insert({t, t + length});
  }
  EXPECT_EQ(pixels.size(), 2u);  // as it is and flipped
  EXPECT_EQ(captions.size(), 2u);
}

}  // namespace
}  // namespace edgeclip
