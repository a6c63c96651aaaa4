#include "retrieval/index_results.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

namespace {

/// How many more allocations of this thread succeed; below 0: all.
thread_local long g_allocations = -1;

}  // namespace

void* operator new(std::size_t size) {
  if (g_allocations == 0) throw std::bad_alloc();
  if (g_allocations > 0) --g_allocations;
  if (void* const memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
// std::stable_sort's, which is given back by the plain form: all are ours, or none (AddressSanitizer looks).
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return g_allocations == 0 ? nullptr : std::malloc(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

namespace edgeclip {
namespace {

constexpr std::int64_t kDim = 3;

std::vector<Sample> batch_of(std::int64_t begin, std::int64_t count) {
  std::vector<Sample> batch;
  for (std::int64_t i = begin; i < begin + count; ++i)
    batch.push_back({i, {"an image whose name is no short string " + std::to_string(i)}, {}});
  return batch;
}

std::vector<float> rows_of(std::int64_t begin, std::int64_t count) {
  std::vector<float> rows;
  for (std::int64_t i = begin; i < begin + count; ++i)
    for (std::int64_t d = 0; d < kDim; ++d) rows.push_back(static_cast<float>(10 * i + d));
  return rows;
}

TEST(IndexResults, ABatchForWhichThereIsNoMemoryLeavesNoTrace) {
  bool added = false;
  for (long enough = 0; !added; ++enough) {
    ASSERT_LT(enough, 100);
    SCOPED_TRACE(enough);
    IndexResults results(kDim);
    auto first = batch_of(0, 5), second = batch_of(5, 7), third = batch_of(12, 2);
    results.add(first, rows_of(0, 5).data());
    const auto rows = rows_of(5, 7);
    g_allocations = enough;
    try {
      results.add(second, rows.data());
      added = true;
    } catch (const std::bad_alloc&) {
    }
    g_allocations = -1;
    results.add(third, rows_of(12, 2).data());  // another consumer's, that was still encoding
    Gallery gallery;
    IndexReport report;
    results.finish(gallery, report);
    ASSERT_EQ(report.indexed, added ? 14 : 7);
    ASSERT_EQ(gallery.embeddings.dim(0), report.indexed);
    for (std::int64_t row = 0; row < report.indexed; ++row) {
      const std::int64_t index = added || row < 5 ? row : row + 7;
      EXPECT_EQ(gallery.items[static_cast<std::size_t>(row)].path, batch_of(index, 1)[0].item.path);
      for (std::int64_t d = 0; d < kDim; ++d)
        EXPECT_EQ(gallery.embeddings.data<float>()[row * kDim + d], static_cast<float>(10 * index + d));
    }
  }
}

}  // namespace
}  // namespace edgeclip
