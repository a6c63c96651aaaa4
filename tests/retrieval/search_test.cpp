#include "retrieval/search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/csv.h"
#include "base/rng.h"
#include "base/threads.h"
#include "retrieval/dot.h"
#include "retrieval/result_files.h"
#include "support/support.h"

namespace edgeclip {
namespace {

Gallery random_gallery(std::int64_t count, int dim, bool repeated) {
  Gallery gallery;
  gallery.embedding_dim = dim;
  gallery.embeddings = Tensor(DType::f32, {count, dim});
  for (std::int64_t i = 0; i < count; ++i) {
    Rng rng(static_cast<std::uint64_t>(repeated ? i % 5 : i));  // repeated rows make ties
    float* row = gallery.embeddings.data<float>() + i * dim;
    double sum = 0;
    for (int k = 0; k < dim; ++k) {
      row[k] = static_cast<float>(rng.normal());
      sum += row[k] * row[k];
    }
    for (int k = 0; k < dim; ++k) row[k] /= static_cast<float>(std::sqrt(sum));
    gallery.items.push_back({fmt::format("{}.png", i), i % 3 == 0 ? -1 : i, -1});
  }
  return gallery;
}

TEST(Dot, EqualsTheSumInDoubles) {
  for (const int n : {0, 1, 15, 16, 17, 100, 512}) {
    std::vector<float> a(static_cast<std::size_t>(n)), b(a);
    Rng rng(static_cast<std::uint64_t>(n));
    double expected = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      a[i] = static_cast<float>(rng.normal());
      b[i] = static_cast<float>(rng.normal());
      expected += static_cast<double>(a[i]) * b[i];
    }
    EXPECT_NEAR(dot(a.data(), b.data(), n), expected, 1e-4);
  }
}

TEST(Search, OneQueryOnManyThreadsEqualsOneThread) {
  const Gallery gallery = random_gallery(9000, 24, true), queries = random_gallery(1, 24, false);
  SearchOptions options;
  options.top = 40;
  std::vector<std::vector<std::int64_t>> found;
  for (const int threads : {1, 2, 7}) {
    set_thread_count(threads);
    auto& items = found.emplace_back();
    const auto results = search(gallery, queries.embeddings.view(), options);
    for (const SearchHit& hit : results.at(0)) items.push_back(hit.item);
    EXPECT_EQ(items, found.front()) << threads;
  }
  EXPECT_EQ(found.front().size(), 40u);
  set_thread_count(0);
  options.threads = 3;
  std::vector<std::int64_t> items;
  const auto hits = search(gallery, queries.embeddings.view(), options);
  for (const SearchHit& hit : hits.at(0)) items.push_back(hit.item);
  EXPECT_EQ(items, found.front());
}

TEST(Search, EqualsAFullStableSort) {
  for (const bool repeated : {false, true}) {
    const Gallery gallery = random_gallery(3000, 24, repeated);  // more than one block
    const Gallery queries = random_gallery(20, 24, false);       // more than one group
    SearchOptions options;
    options.top = 17;
    const auto results = search(gallery, queries.embeddings.view(), options);
    ASSERT_EQ(results.size(), 20u);
    for (std::int64_t q = 0; q < 20; ++q) {
      std::vector<std::pair<float, std::int64_t>> all;
      for (std::int64_t i = 0; i < 3000; ++i)
        all.emplace_back(
            dot(queries.embeddings.data<float>() + q * 24, gallery.embeddings.data<float>() + i * 24, 24), i);
      std::stable_sort(all.begin(), all.end(),
                       [](const auto& a, const auto& b) { return a.first > b.first; });
      const auto& hits = results[static_cast<std::size_t>(q)];
      ASSERT_EQ(hits.size(), 17u);
      for (std::size_t k = 0; k < hits.size(); ++k) {
        EXPECT_EQ(hits[k].item, all[k].second);
        EXPECT_EQ(hits[k].score, all[k].first);
        EXPECT_EQ(hits[k].rank, static_cast<std::int64_t>(k) + 1);
        EXPECT_EQ(hits[k].path, gallery.items[static_cast<std::size_t>(hits[k].item)].path);
        EXPECT_EQ(hits[k].id, gallery.items[static_cast<std::size_t>(hits[k].item)].id);
      }
    }
  }
}

TEST(Search, ThresholdAndSmallGalleriesShortenTheList) {
  const Gallery gallery = random_gallery(5, 8, false);
  SearchOptions options;
  options.top = 10;
  EXPECT_EQ(search(gallery, gallery.embeddings.view(), options)[0].size(), 5u);
  options.threshold = 0.999f;
  const auto hits = search(gallery, gallery.embeddings.view(), options);
  ASSERT_EQ(hits[3].size(), 1u);
  EXPECT_EQ(hits[3][0].item, 3);
  const Gallery empty = random_gallery(0, 8, false);
  EXPECT_TRUE(search(empty, gallery.embeddings.view(), options)[0].empty());
  EXPECT_TRUE(search(gallery, Tensor(DType::f32, {0, 8}).view(), options).empty());
}

TEST(Search, RefusesWhatCannotBeSearched) {
  const Gallery gallery = random_gallery(5, 8, false);
  SearchOptions options;
  EXPECT_NE(test::invalid_input_of([&] {
              search(gallery, Tensor(DType::f32, {1, 9}).view(), options);
            }).find("width 8"),
            std::string::npos);
  options.top = 0;
  EXPECT_NE(test::invalid_input_of([&] { search(gallery, gallery.embeddings.view(), options); }).find("top"),
            std::string::npos);
}

TEST(ResultFiles, OneFilePerQuery) {
  test::TempDir dir;
  const std::vector<SearchHit> hits = {{1, 0.75f, "a, b.png", 4, 0, "A man, walking."},
                                       {2, 0.5f, "c.png", -1, 1, ""}};
  EXPECT_EQ(write_results_csv(dir / "one.csv", {hits}), std::vector<std::filesystem::path>{dir / "one.csv"});
  const auto rows = read_csv_table(dir / "one.csv", {"rank", "score", "path", "id", "caption"});
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0], (std::vector<std::string>{"1", "0.750000", "a, b.png", "4", "A man, walking."}));
  EXPECT_EQ(rows[1][3], "");
  write_results_csv(dir / "two.csv", {hits, {}});
  EXPECT_EQ(read_csv_table(dir / "two.1.csv", {"rank", "score", "path", "id", "caption"}).size(), 2u);
  EXPECT_EQ(read_csv_table(dir / "two.2.csv", {"rank", "score", "path", "id", "caption"}).size(), 0u);
  EXPECT_FALSE(std::filesystem::exists(dir / "two.csv"));
  EXPECT_TRUE(to_json(hits)[1]["id"].is_null());
}

}  // namespace
}  // namespace edgeclip
