#include "data/dataset/batch_order.h"

#include <map>
#include <set>

#include "base/error.h"
#include "loader_set.h"

namespace edgeclip {
namespace {

using test::invalid_input_of;
using test::picture;
using test::Set;

using Order = std::vector<std::vector<BatchItem>>;

Order order_of(const Set& set, std::uint64_t seed) {
  return batch_order(set.dataset, items_of_epoch(set.dataset, set.options), set.options, Rng(seed));
}

std::vector<std::int64_t> persons_of(const Set& set, const std::vector<BatchItem>& batch) {
  std::vector<std::int64_t> persons;
  for (const BatchItem& item : batch)
    persons.push_back(set.dataset.images[static_cast<std::size_t>(item.image)].id);
  return persons;
}

bool differ(const std::vector<std::int64_t>& persons) {
  return std::set<std::int64_t>(persons.begin(), persons.end()).size() == persons.size();
}

/// Person p of `images` has images[p] of them, with two captions each.
void write_uneven(Set& set, const std::vector<int>& images) {
  std::vector<Pair> pairs;
  for (std::size_t p = 0; p < images.size(); ++p)
    for (int i = 0; i < images[p]; ++i) {
      const std::string path = std::to_string(p) + "_" + std::to_string(i) + ".png";
      write_png(set.dir / path, picture(12, 20, i));
      for (const char* text : {"someone", "someone else"})
        pairs.push_back({"train", static_cast<std::int64_t>(p), path, text, -1});
    }
  write_dataset(set.dir.path(), {.pairs = pairs, .tokenizer = "train:200", .context_length = 32});
  set.dataset = open_dataset(set.dir.path());
}

TEST(BatchOrder, AllCaptionsAreEachVisitedOnce) {
  Set set(6, 3);
  set.options.loading.captions = "all";
  for (const char* unique : {"prefer", "off"})
    for (const bool shuffle : {true, false})
      for (const std::uint64_t seed : {1, 2}) {
        set.options.loading.unique_ids = unique;
        set.options.shuffle = shuffle;
        std::multiset<std::int64_t> seen;
        for (const auto& batch : order_of(set, seed)) {
          EXPECT_EQ(batch.size(), 4u);
          for (const BatchItem& item : batch) {
            const ImageItem& image = set.dataset.images[static_cast<std::size_t>(item.image)];
            EXPECT_EQ(std::count(image.rows.begin(), image.rows.end(), item.caption), 1);
            seen.insert(item.caption);
          }
        }
        EXPECT_EQ(seen.size(), set.dataset.pairs.size());  // 36 pairs are 9 batches
        EXPECT_EQ(std::set<std::int64_t>(seen.begin(), seen.end()).size(), set.dataset.pairs.size());
      }
}

TEST(BatchOrder, AlwaysUniqueIdsPutNoPersonTwiceInABatch) {
  Set set(1, 1);
  // Few images beside one person of many: what prefers different persons must repeat some.
  write_uneven(set, {9, 2, 1, 3, 1, 2});
  set.options.batch = 4;
  bool repeated = false;
  for (const auto& batch : order_of(set, 1)) repeated = repeated || !differ(persons_of(set, batch));
  EXPECT_TRUE(repeated);
  set.options.loading.unique_ids = "always";
  for (const char* captions : {"one", "all"})
    for (const bool shuffle : {true, false})
      for (std::uint64_t seed = 0; seed < 20; ++seed) {
        set.options.loading.captions = captions;
        set.options.shuffle = shuffle;
        const Order order = order_of(set, seed);
        // The most there can be: 9 others and one of the many in each batch are 3 times 4.
        EXPECT_EQ(order.size(), captions == std::string("one") ? 3u : 6u);
        std::set<std::pair<std::int64_t, std::int64_t>> seen;
        std::size_t rows = 0;
        for (const auto& batch : order) {
          EXPECT_EQ(batch.size(), 4u);
          EXPECT_TRUE(differ(persons_of(set, batch)));
          for (const BatchItem& item : batch) seen.insert({item.image, item.caption});
          rows += batch.size();
        }
        EXPECT_EQ(seen.size(), rows);
      }
}

TEST(BatchOrder, OffTakesTheOrderAsItComes) {
  Set set(8, 2);
  set.options.batch = 4;
  const auto repeats = [&](const char* how) {  // first batches with a person twice
    set.options.loading.unique_ids = how;
    int count = 0;
    for (std::uint64_t seed = 0; seed < 20; ++seed) count += differ(persons_of(set, order_of(set, seed)[0])) ? 0 : 1;
    return count;
  };
  EXPECT_GT(repeats("off"), 0);
  EXPECT_EQ(repeats("prefer"), 0) << "there are others to take";
}

TEST(BatchOrder, WhatFillsNoBatchIsRefused) {
  Set set(3, 2);
  const auto refusal = [&] { return invalid_input_of([&] { items_of_epoch(set.dataset, set.options); }); };
  const std::string of = "split \"train\" of " + set.dataset.directory.string();
  set.options.batch = 7;
  EXPECT_EQ(refusal(),
            "batch: 7 is more than " + of + " has: 6 images; set batch to at most 6, or add images to it");
  set.options.loading.captions = "all";
  EXPECT_EQ(items_of_epoch(set.dataset, set.options).size(), 12u);
  set.options.batch = 13;
  EXPECT_EQ(refusal(),
            "batch: 13 is more than " + of + " has: 12 pairs; set batch to at most 12, or add images to it");
  set.options.drop_last = false;
  EXPECT_EQ(order_of(set, 0).size(), 1u);
  set.options.loading.unique_ids = "always";
  EXPECT_EQ(refusal(), "batch: 13 different persons (loading.unique_ids always), but " + of +
                           " has 3; set batch to at most 3, or loading.unique_ids to prefer");
  set.options.loading.unique_ids = "prefer";
  set.options.loading.identities = 4;
  set.options.loading.images_per_identity = 1;
  EXPECT_EQ(refusal(),
            "loading.identities: 4 persons per batch, but " + of + " has 3; set it to at most that");
}

TEST(BatchOrder, PartsOfRanksFollowEachOther) {
  for (const std::int64_t n : {0, 1, 5, 6})
    for (const int world : {1, 2, 3}) {
      std::int64_t next = 0;
      for (int rank = 0; rank < world; ++rank) {
        const auto [begin, end] = part_of_rank(n, rank, world);
        EXPECT_EQ(begin, next);
        EXPECT_GE(end, begin);
        EXPECT_LE(end - begin, (n + world - 1) / world);
        next = end;
      }
      EXPECT_EQ(next, n);
    }
}

}  // namespace
}  // namespace edgeclip
