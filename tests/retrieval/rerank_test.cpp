#include "retrieval/search/rerank.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/json.h"
#include "base/npy.h"
#include "retrieval/fake_encoder.h"
#include "retrieval/gallery_support.h"
#include "retrieval/search/search.h"
#include "support/support.h"

namespace edgeclip {
namespace {

TEST(Rerank, DistancesAreThoseOfThePaper) {
  const std::filesystem::path golden = std::filesystem::path(EDGECLIP_SOURCE_DIR) / "tests/golden/rerank";
  const Tensor rows = read_npy(golden / "rows.npy"), queries = read_npy(golden / "queries.npy");
  const auto count = static_cast<std::size_t>(rows.dim(0)), dim = static_cast<std::size_t>(rows.dim(1));
  for (const Json& expected : read_json(golden / "cases.json")) {
    RerankOptions options;
    options.k1 = expected.at("k1");
    options.k2 = expected.at("k2");
    options.lambda = expected.at("lambda");
    for (std::size_t q = 0; q < static_cast<std::size_t>(queries.dim(0)); ++q) {
      std::vector<double> distances;
      const auto order = k_reciprocal_order(queries.data<float>() + q * dim, rows.data<float>(), count, dim, options, &distances);
      ASSERT_EQ(distances.size(), count);
      for (std::size_t i = 0; i < count; ++i) EXPECT_NEAR(distances[i], expected.at("distances").at(q).at(i).get<double>(), 1e-12);
      for (std::size_t i = 1; i < count; ++i) EXPECT_LE(distances[order[i - 1]], distances[order[i]]);
    }
  }
}

TEST(Rerank, OfOneItemAndOfNone) {
  const std::vector<float> row = {1, 0}, query = {0, 1};
  EXPECT_EQ(k_reciprocal_order(query.data(), row.data(), 1, 2, {10}), std::vector<std::size_t>{0});
  EXPECT_TRUE(k_reciprocal_order(query.data(), row.data(), 0, 2, {10}).empty());
}

TEST(Rerank, OptionsAreChecked) {
  for (const RerankOptions& bad : {RerankOptions{-1}, RerankOptions{5000}, RerankOptions{10, 0}, RerankOptions{10, 20, 0}, RerankOptions{10, 20, 6, 2}})
    EXPECT_FALSE(test::invalid_input_of([&] { bad.check(""); }).empty());
}

/// An image that the text is far from, but that all of the others are near to, comes up.
TEST(Rerank, WhatIsAmongTheRightOnesComesUp) {
  const auto unit = [](std::vector<float> v) {
    float squares = 0;
    for (const float x : v) squares += x * x;
    for (float& x : v) x /= std::sqrt(squares);
    return v;
  };
  // Five of a person, one of them turned away from the query; one stranger that happens to lie nearer to the query than that one.
  const std::vector<std::vector<float>> all = {unit({1, 0.5F, 0, 0}), unit({1, 0.55F, 0.05F, 0}), unit({1, 0.6F, 0, 0.05F}), unit({1, 0.65F, 0.05F, 0}),
                                               unit({1, 0.9F, 0, 0}),  unit({1, -0.8F, 0, 0}), unit({0, -1, 1, 0}), unit({0, -1, 0, 1}), unit({0, -1, 1, 1})};
  std::vector<float> rows;
  for (const auto& row : all) rows.insert(rows.end(), row.begin(), row.end());
  const std::vector<float> query = unit({1, 0, 0, 0});
  EXPECT_GT(query[0] * all[5][0], query[0] * all[4][0]) << "by cosine the stranger is before";
  RerankOptions options{9, 6, 2, 0.3};
  const auto order = k_reciprocal_order(query.data(), rows.data(), all.size(), 4, options);
  const auto place = [&](std::size_t i) { return std::find(order.begin(), order.end(), i) - order.begin(); };
  EXPECT_LT(place(4), place(5));
}

TEST(Rerank, SearchCutsBehindIt) {
  test::FakeEncoder encoder;
  std::vector<GalleryItem> items;
  Tensor rows(DType::f32, {30, 6});
  for (std::int64_t i = 0; i < 30; ++i) {
    items.push_back({fmt::format("{}.png", i), i / 3});
    float squares = 0;
    for (std::int64_t d = 0; d < 6; ++d) squares += std::pow(rows.data<float>()[i * 6 + d] = static_cast<float>(std::sin(1.7 * static_cast<double>(i * d + i))) + 1.5F, 2.0F);
    for (std::int64_t d = 0; d < 6; ++d) rows.data<float>()[i * 6 + d] /= std::sqrt(squares);
  }
  const GalleryManifest manifest = manifest_for(encoder);
  Tensor query(DType::f32, {1, 6});
  std::copy_n(rows.data<float>() + 12 * 6, 6, query.data<float>());
  const GallerySnapshot gallery = gallery_in_memory(manifest, items, std::move(rows));
  SearchOptions options;
  options.top = 5;
  options.rerank = {20, 6, 3, 0.3};
  const auto hits = search(gallery, query.view(), options).front();
  ASSERT_EQ(hits.size(), 5u);
  EXPECT_EQ(hits[0].item.path, "12.png");
  options.group = GroupBy::kPerson;
  std::set<std::int64_t> persons;
  const auto grouped = search(gallery, query.view(), options);
  for (const auto& hit : grouped.front()) EXPECT_TRUE(persons.insert(hit.item.id).second);
  EXPECT_EQ(persons.size(), 5u);
}

}  // namespace
}  // namespace edgeclip
