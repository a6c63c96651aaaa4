#include "retrieval/search/filter.h"

#include <gtest/gtest.h>

#include "retrieval/gallery/time_text.h"
#include "retrieval/gallery_support.h"
#include "retrieval/search/search.h"
#include "support/support.h"

namespace edgeclip {
namespace {

constexpr std::int64_t kSecond = 1'000'000;

TEST(Time, IsReadWithZoneAndFraction) {
  EXPECT_EQ(parse_time("1970-01-01", "x"), 0);
  EXPECT_EQ(parse_time("2026-01-31T12:30:05Z", "x"), 1769862605 * kSecond);
  EXPECT_EQ(parse_time("2026-01-31 12:30:05", "x"), 1769862605 * kSecond) << "UTC where nothing is said";
  EXPECT_EQ(parse_time("2026-01-31T12:30", "x"), 1769862600 * kSecond);
  EXPECT_EQ(parse_time("2026-01-31T13:30:05.250+01:00", "x"), 1769862605 * kSecond + 250'000);
  EXPECT_EQ(parse_time("2026-01-31T07:00:05-0530", "x"), 1769862605 * kSecond);
  EXPECT_EQ(parse_time("1969-12-31T23:59:59.5Z", "x"), -kSecond / 2);
  EXPECT_EQ(parse_time("2024-02-29", "x"), 1709164800 * kSecond);
}

TEST(Time, IsWrittenAsItIsRead) {
  EXPECT_EQ(time_string(kUnknownTime), "");
  EXPECT_EQ(time_string(1769862605 * kSecond), "2026-01-31T12:30:05Z");
  for (const std::int64_t time : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1709210096123456}, std::int64_t{-62135596800000000}})
    EXPECT_EQ(parse_time(time_string(time), "x"), time) << time_string(time);
}

TEST(Time, NamesWhatIsNone) {
  for (const char* bad : {"", "2026", "2026-13-01", "2026-02-29", "2026-01-31T25:00", "2026-01-31T12", "2026-01-31T12:30:05+", "2026-01-31T12:30Zx",
                          "2026-01-31T12:30:05.", "31.1.2026", "2026-01-31T12:30+1"})
    EXPECT_NE(test::invalid_input_of([&] { parse_time(bad, "--after"); }).find("--after"), std::string::npos) << bad;
}

/// Items 0 to 9 of cameras a and b in turn, item i taken at second i; 8 and 9 without camera and time.
GallerySet ten_items(int removed = -1) {
  static const test::TempDir dir;
  const std::filesystem::path folder = dir / std::to_string(removed);
  std::filesystem::remove_all(folder);
  GalleryManifest manifest;
  manifest.embedding_space = "space";
  manifest.embedding_dim = 1;
  for (const int begin : {0, 5}) {
    std::vector<GalleryItem> items;
    for (int i = begin; i < begin + 5; ++i) {
      GalleryItem item{fmt::format("{}.png", i), i / 4};
      item.track = i / 2;
      if (i < 8) {
        item.camera = i % 2 == 0 ? "a" : "b";
        item.time = i * kSecond;
      }
      items.push_back(item);
    }
    test::add_to_gallery(folder, manifest, items, Tensor::from<float>({5, 1}, {1, 1, 1, 1, 1}));
  }
  if (removed >= 0)
    GalleryWriter(folder, std::nullopt).remove([&](const GallerySnapshot& g, std::int64_t p) { return g.number(p) == static_cast<std::uint64_t>(removed); });
  return GallerySet({open_gallery(folder)});
}

std::vector<std::uint64_t> found(const GallerySet& galleries, const SearchOptions& options) {
  const auto results = search(galleries, Tensor::from<float>({1, 1}, {1}).view(), options);
  std::vector<std::uint64_t> numbers;
  for (const SearchHit& hit : results.at(0)) numbers.push_back(hit.number);
  return numbers;
}

using Numbers = std::vector<std::uint64_t>;

TEST(Filter, ByCameraAndTime) {
  SearchOptions options;
  EXPECT_EQ(found(ten_items(), options).size(), 10u);
  options.filter.cameras = {"b"};
  EXPECT_EQ(found(ten_items(), options), (Numbers{1, 3, 5, 7}));
  options.filter.after = 3 * kSecond;
  EXPECT_EQ(found(ten_items(), options), (Numbers{3, 5, 7}));
  options.filter.before = 7 * kSecond;
  EXPECT_EQ(found(ten_items(), options), (Numbers{3, 5}));
  EXPECT_EQ(found(ten_items(3), options), (Numbers{5})) << "and what is removed is not found";
  options.filter.cameras = {};
  EXPECT_EQ(found(ten_items(), options), (Numbers{3, 4, 5, 6}));
  options.filter.cameras = {"c"};
  EXPECT_EQ(found(ten_items(), options), Numbers{});
}

TEST(Filter, EachPersonOrTrackOnce) {
  SearchOptions options;
  options.group = GroupBy::kPerson;
  EXPECT_EQ(found(ten_items(), options), (Numbers{0, 4, 8}));
  options.top = 2;
  EXPECT_EQ(found(ten_items(), options), (Numbers{0, 4}));
  options.top = 10;
  options.group = GroupBy::kTrack;
  EXPECT_EQ(found(ten_items(), options), (Numbers{0, 1, 2, 3, 4, 5, 6, 7, 8})) << "a track is one camera's";
  options.filter.cameras = {"a"};
  EXPECT_EQ(found(ten_items(), options), (Numbers{0, 2, 4, 6}));
}

TEST(GallerySet, IsSearchedAsOne) {
  const GallerySet one = ten_items(), both({one.galleries()[0], ten_items(0).galleries()[0]});
  EXPECT_EQ(both.size(), 19);
  SearchOptions options;
  options.top = 30;
  const auto results = search(both, Tensor::from<float>({1, 1}, {1}).view(), options);
  ASSERT_EQ(results[0].size(), 19u);
  EXPECT_EQ(results[0][10].number, 1u);
  EXPECT_EQ(results[0][10].gallery, both.galleries()[1].directory().string());
  EXPECT_NE(results[0][9].gallery, results[0][10].gallery);
  GalleryManifest other;
  other.embedding_space = "another";
  other.embedding_dim = 1;
  EXPECT_NE(test::invalid_input_of([&] {
              GallerySet({one.galleries()[0], gallery_in_memory(other, {}, Tensor(DType::f32, {0, 1}))});
            }).find("another model"),
            std::string::npos);
  EXPECT_NE(test::invalid_input_of([] { GallerySet(std::vector<GallerySnapshot>()); }).find("no gallery"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip
