#include <cstring>
#include <functional>

#include "base/error.h"
#include "loader_set.h"

/// Several processes see together what one process sees.
namespace edgeclip {
namespace {

using test::augment_all;
using test::expect_equal;
using test::invalid_input_of;
using test::Set;

template <class T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

/// The rows of a, then those of b.
Tensor stacked(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(Shape(a.shape().begin() + 1, a.shape().end()), Shape(b.shape().begin() + 1, b.shape().end()));
  Shape shape = a.shape();
  shape[0] += b.dim(0);
  Tensor out(a.dtype(), shape);
  std::memcpy(out.raw(), a.raw(), a.bytes());
  if (b.bytes() > 0) std::memcpy(out.raw() + a.bytes(), b.raw(), b.bytes());
  return out;
}

/// Each batch of an epoch, put together of the ranks' parts in their order; sizes: of the parts.
std::vector<Batch> joined(Set& set, int world, std::int64_t epoch, std::vector<std::size_t>* sizes = nullptr,
                          std::int64_t skip = 0) {
  std::vector<Batch> whole;
  set.options.world = world;
  for (int rank = 0; rank < world; ++rank) {
    set.options.rank = rank;
    auto part = set.epoch(epoch, skip);
    if (sizes != nullptr)
      for (const Batch& batch : part) sizes->push_back(batch.ids.size());
    if (rank == 0) {
      whole = std::move(part);
      continue;
    }
    EXPECT_EQ(part.size(), whole.size());
    for (std::size_t b = 0; b < std::min(part.size(), whole.size()); ++b) {
      whole[b].pixels = stacked(whole[b].pixels, part[b].pixels);
      whole[b].tokens = stacked(whole[b].tokens, part[b].tokens);
      append(whole[b].ids, part[b].ids);
      append(whole[b].images, part[b].images);
      append(whole[b].captions, part[b].captions);
      append(whole[b].image_augmented, part[b].image_augmented);
      append(whole[b].caption_augmented, part[b].caption_augmented);
    }
  }
  set.options.world = 1;
  set.options.rank = 0;
  return whole;
}

/// Every way of composing batches of six rows.
void for_each_composition(const std::function<void(Set&)>& check) {
  Set set(7, 3);
  set.options.batch = 6;
  augment_all(set.options.augment);
  for (const char* captions : {"one", "all"}) {
    set.options.loading = {};
    set.options.loading.threads = 2;
    set.options.loading.captions = captions;
    for (const char* unique : {"prefer", "always", "off"})
      for (const bool shuffle : {true, false}) {
        SCOPED_TRACE(std::string(captions) + " " + unique + (shuffle ? " shuffled" : ""));
        set.options.shuffle = shuffle;
        set.options.loading.unique_ids = unique;
        check(set);
      }
    set.options.loading.unique_ids = "prefer";
    set.options.shuffle = true;
    for (const auto& [persons, each] : {std::pair{3, 2}, {2, 3}, {6, 1}, {2, 12}}) {  // 12: images repeat
      SCOPED_TRACE(std::string(captions) + " " + std::to_string(persons) + " x " + std::to_string(each));
      set.options.loading.identities = persons;
      set.options.loading.images_per_identity = each;
      check(set);
    }
  }
}

TEST(LoaderRanks, SeeTogetherWhatOneProcessSees) {
  for_each_composition([](Set& set) {
    for (const std::int64_t epoch : {0, 3}) {
      const auto one = set.epoch(epoch);
      ASSERT_FALSE(one.empty());
      for (const int world : {1, 2, 3}) {
        std::vector<std::size_t> sizes;
        expect_equal(joined(set, world, epoch, &sizes), one);
        for (const std::size_t n : sizes) EXPECT_EQ(n, one[0].ids.size() / static_cast<std::size_t>(world));
      }
    }
  });
}

/// From each place of an epoch on, with any number of ranks and threads.
TEST(LoaderRanks, GoOnFromAnyPlaceOfAnEpoch) {
  for_each_composition([](Set& set) {
    const auto all = set.epoch(2);
    for (std::size_t done = 0; done <= all.size(); ++done) {
      const std::vector<Batch> rest(all.begin() + static_cast<std::ptrdiff_t>(done), all.end());
      set.options.loading.threads = 1 + static_cast<int>(done) % 3;
      expect_equal(joined(set, 1 + static_cast<int>(done) % 3, 2, nullptr, static_cast<std::int64_t>(done)),
                   rest);
    }
  });
}

TEST(LoaderRanks, AShortLastBatchIsDealtAsEvenlyAsItGoes) {
  Set set(7, 2);  // 14 images: 6, 6, 2
  set.options.batch = 6;
  set.options.drop_last = false;
  const auto one = set.epoch(1);
  std::vector<std::size_t> sizes;
  expect_equal(joined(set, 3, 1, &sizes), one);
  EXPECT_EQ(sizes, (std::vector<std::size_t>{2, 2, 0, 2, 2, 1, 2, 2, 1}));
}

TEST(LoaderRanks, UnequalPartsAreRefused) {
  Set set(7, 3);
  const auto refusal = [&] {
    return invalid_input_of([&] { Loader(set.dataset, set.transform, set.options); });
  };
  set.options.batch = 7;
  set.options.world = 2;
  EXPECT_EQ(refusal(), "batch: 7 rows are no 2 equal parts, one for each process; make them 6 or 8");
  set.options.batch = 2;
  set.options.world = 3;
  EXPECT_EQ(refusal(), "batch: 2 rows are no 3 equal parts, one for each process; make them 3");
  set.options.loading.identities = 5;
  set.options.loading.images_per_identity = 2;
  EXPECT_EQ(refusal(),
            "loading.identities x images_per_identity: 10 rows are no 3 equal parts, one for each process; "
            "make them 9 or 12");
  set.options.loading.images_per_identity = 3;
  Loader(set.dataset, set.transform, set.options);
  set.options.rank = 3;
  EXPECT_NE(refusal().find("rank 3 of 3"), std::string::npos);
  set.options.rank = 1;
  set.options.loading.on_corrupt = "skip";
  EXPECT_NE(refusal().find("loading.on_corrupt: skip"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip
