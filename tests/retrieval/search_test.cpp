#include "retrieval/search/search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/csv.h"
#include "base/rng.h"
#include "base/threads.h"
#include "retrieval/evaluate/dot.h"
#include "retrieval/gallery_support.h"
#include "retrieval/search/result_files.h"
#include "support/support.h"

namespace edgeclip {
namespace {

/// (count, dim), unit rows; repeated ones make ties.
Tensor random_rows(std::int64_t count, int dim, bool repeated) {
  Tensor rows(DType::f32, {count, dim});
  for (std::int64_t i = 0; i < count; ++i) {
    Rng rng(static_cast<std::uint64_t>(repeated ? i % 5 : i));
    float* row = rows.data<float>() + i * dim;
    double sum = 0;
    for (int k = 0; k < dim; ++k) {
      row[k] = static_cast<float>(rng.normal());
      sum += row[k] * row[k];
    }
    for (int k = 0; k < dim; ++k) row[k] /= static_cast<float>(std::sqrt(sum));
  }
  return rows;
}

GallerySnapshot gallery_of(const Tensor& rows) {
  GalleryManifest manifest;
  manifest.embedding_dim = static_cast<int>(rows.dim(1));
  std::vector<GalleryItem> items;
  for (std::int64_t i = 0; i < rows.dim(0); ++i) items.push_back({fmt::format("{}.png", i), i % 3 == 0 ? -1 : i});
  return gallery_in_memory(manifest, items, rows);
}

float score(const Tensor& queries, std::int64_t q, const Tensor& rows, std::int64_t i) {
  const std::int64_t dim = rows.dim(1);
  kernels::ScanRows all;
  all.data = rows.raw();
  all.rows = rows.dim(0);
  all.dim = dim;
  return kernels::reference_score(all, i, queries.data<float>() + q * dim);
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
  const GallerySnapshot gallery = gallery_of(random_rows(9000, 24, true));
  const Tensor queries = random_rows(1, 24, false);
  SearchOptions options;
  options.top = 40;
  std::vector<std::vector<std::int64_t>> found;
  for (const int threads : {1, 2, 7}) {
    set_thread_count(threads);
    auto& items = found.emplace_back();
    const auto results = search(gallery, queries.view(), options);
    for (const SearchHit& hit : results.at(0)) items.push_back(hit.place);
    EXPECT_EQ(items, found.front()) << threads;
  }
  EXPECT_EQ(found.front().size(), 40u);
  set_thread_count(0);
  options.threads = 3;
  std::vector<std::int64_t> items;
  const auto hits = search(gallery, queries.view(), options);
  for (const SearchHit& hit : hits.at(0)) items.push_back(hit.place);
  EXPECT_EQ(items, found.front());
}

TEST(Search, EqualsAFullStableSort) {
  for (const bool repeated : {false, true}) {
    const Tensor rows = random_rows(3000, 24, repeated), queries = random_rows(20, 24, false);
    const GallerySnapshot gallery = gallery_of(rows);
    SearchOptions options;
    options.top = 17;
    const auto results = search(gallery, queries.view(), options);
    ASSERT_EQ(results.size(), 20u);
    for (std::int64_t q = 0; q < 20; ++q) {
      std::vector<std::pair<float, std::int64_t>> all;
      for (std::int64_t i = 0; i < 3000; ++i)
        all.emplace_back(score(queries, q, rows, i), i);
      std::stable_sort(all.begin(), all.end(),
                       [](const auto& a, const auto& b) { return a.first > b.first; });
      const auto& hits = results[static_cast<std::size_t>(q)];
      ASSERT_EQ(hits.size(), 17u);
      for (std::size_t k = 0; k < hits.size(); ++k) {
        EXPECT_EQ(hits[k].place, all[k].second);
        EXPECT_EQ(hits[k].score, all[k].first);
        EXPECT_EQ(hits[k].rank, static_cast<std::int64_t>(k) + 1);
        EXPECT_EQ(hits[k].item, gallery.item(hits[k].place));
        EXPECT_EQ(hits[k].number, gallery.number(hits[k].place));
      }
    }
  }
}

TEST(Search, ThresholdAndSmallGalleriesShortenTheList) {
  const Tensor rows = random_rows(5, 8, false);
  const GallerySnapshot gallery = gallery_of(rows);
  SearchOptions options;
  options.top = 10;
  EXPECT_EQ(search(gallery, rows.view(), options)[0].size(), 5u);
  options.threshold = 0.999f;
  const auto hits = search(gallery, rows.view(), options);
  ASSERT_EQ(hits[3].size(), 1u);
  EXPECT_EQ(hits[3][0].place, 3);
  EXPECT_TRUE(search(gallery_of(random_rows(0, 8, false)), rows.view(), options)[0].empty());
  EXPECT_TRUE(search(gallery, Tensor(DType::f32, {0, 8}).view(), options).empty());
}

TEST(Search, RefusesWhatCannotBeSearched) {
  const Tensor rows = random_rows(5, 8, false);
  const GallerySnapshot gallery = gallery_of(rows);
  SearchOptions options;
  EXPECT_NE(test::invalid_input_of([&] { search(gallery, Tensor(DType::f32, {1, 9}).view(), options); }).find("width 8"),
            std::string::npos);
  options.top = 0;
  EXPECT_NE(test::invalid_input_of([&] { search(gallery, rows.view(), options); }).find("top"), std::string::npos);
}

TEST(Search, OfSegmentsOfEveryTypeFindsWhatIsNotRemoved) {
  const test::TempDir dir;
  const Tensor rows = random_rows(300, 24, false), queries = random_rows(9, 24, false);
  for (const DType type : {DType::f32, DType::f16, DType::i8}) {
    GalleryManifest manifest;
    manifest.embedding_space = "space";
    manifest.embedding_dim = 24;
    manifest.rows = type;
    const std::filesystem::path folder = dir / dtype_name(type);
    for (int part = 0; part < 3; ++part) {
      std::vector<GalleryItem> items;
      for (int i = 0; i < 100; ++i) items.push_back({fmt::format("{}.png", 100 * part + i)});
      Tensor some(DType::f32, {100, 24});
      std::copy_n(rows.data<float>() + part * 2400, 2400, some.data<float>());
      test::add_to_gallery(folder, manifest, items, some);
    }
    GalleryWriter(folder, std::nullopt).remove([](const GallerySnapshot& g, std::int64_t place) { return g.number(place) % 7 == 3; });
    const GallerySnapshot gallery = open_gallery(folder);
    ASSERT_EQ(gallery.segments().size(), 3u);
    const Tensor kept = test::rows_of(gallery);
    SearchOptions options;
    options.top = 12;
    const auto results = search(gallery, queries.view(), options);
    for (std::int64_t q = 0; q < 9; ++q) {
      std::vector<std::pair<float, std::uint64_t>> all;
      for (std::int64_t i = 0; i < gallery.size(); ++i)
        all.emplace_back(score(queries, q, kept, i), gallery.number(gallery.place_of(i)));
      std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
      for (std::size_t k = 0; k < 12; ++k) {
        const SearchHit& hit = results[static_cast<std::size_t>(q)].at(k);
        EXPECT_EQ(hit.number, all[k].second);
        EXPECT_NEAR(hit.score, all[k].first, 1e-6) << "a scale is multiplied in before the sum or behind it";
        EXPECT_EQ(hit.item.path, fmt::format("{}.png", hit.number));
      }
    }
  }
}

TEST(ResultFiles, OneFilePerQuery) {
  test::TempDir dir;
  const std::vector<SearchHit> hits = {{1, 0.75f, 0, 10, {"a, b.png", 4, -1, "A man, walking."}}, {2, 0.5f, 1, 11, {"c.png"}}};
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
  EXPECT_EQ(to_json(hits)[1]["item"], 11);
}

}  // namespace
}  // namespace edgeclip
