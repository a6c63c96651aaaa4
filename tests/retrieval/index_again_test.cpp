#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/csv.h"
#include "base/output_claim.h"
#include "base/signals.h"
#include "retrieval/fake_encoder.h"
#include "retrieval/gallery/time_text.h"
#include "retrieval/gallery_support.h"
#include "retrieval/index/describe_items.h"
#include "retrieval/index/indexing.h"
#include "support/support.h"

/// Indexing into a gallery that has something in it.
namespace edgeclip {
namespace {

/// (path, what was encoded for it) of all items.
std::map<std::string, std::vector<float>> contents_of(const GallerySnapshot& gallery) {
  std::map<std::string, std::vector<float>> contents;
  gallery.each([&](std::int64_t place) {
    std::vector<float>& row = contents[gallery.file_of(place).string()];
    EXPECT_TRUE(row.empty()) << "twice";
    row.resize(6);
    gallery.read_row(place, row.data());
  });
  return contents;
}

TEST(IndexAgain, AddsWhatIsNewAndEncodesAnewWhatHasChanged) {
  test::TempDir dir;
  const auto paths = test::write_images(dir / "images", 6);
  test::write_images(dir / "more", 3);
  const auto index = [&](const std::string& images) {
    test::FakeEncoder encoder;
    IndexReport report = index_images(encoder, open_image_source(dir / images), dir / "g", {});
    std::int64_t encoded = 0;
    for (const auto batch : encoder.batches) encoded += batch;
    EXPECT_EQ(encoded, report.indexed - report.resumed);
    verify_gallery(dir / "g");
    return report;
  };
  EXPECT_EQ(index("images").indexed, 6);
  const auto numbers = [&] {
    std::map<std::string, std::uint64_t> all;
    const GallerySnapshot gallery = open_gallery(dir / "g");
    gallery.each([&](std::int64_t place) { all[gallery.file_of(place).string()] = gallery.number(place); });
    return all;
  };
  const auto before = numbers();
  std::filesystem::copy_file(paths[0], dir / "images" / "0a.png");  // new, in the middle of the others
  write_png(paths[2], test::two_colours(1, 2, 3, 200, 100, 50));
  const IndexReport report = index("images");
  EXPECT_EQ(report.indexed, 7);
  EXPECT_EQ(report.resumed, 5);
  EXPECT_EQ(report.replaced, 1);
  EXPECT_FALSE(report.unchanged);
  for (const auto& [path, number] : before) EXPECT_EQ(numbers().at(path) == number, path != paths[2]) << path;
  EXPECT_TRUE(index("images").unchanged);
  EXPECT_EQ(index("more").images, 10) << "another folder in the same gallery";
  EXPECT_TRUE(index("more").unchanged);
  EXPECT_TRUE(index("images").unchanged);

  std::filesystem::remove(paths[4]);
  EXPECT_EQ(index("images").images, 10) << "what has gone stays until it is removed";
  // As if it had been made of all at once.
  test::FakeEncoder encoder;
  index_images(encoder, open_image_source(dir / "images"), dir / "fresh", {});
  auto contents = contents_of(open_gallery(dir / "g"));
  for (const auto& [path, row] : contents_of(open_gallery(dir / "fresh"))) EXPECT_EQ(contents.at(path), row) << path;
}

TEST(IndexAgain, AnotherModelIsRefusedUnlessItReplaces) {
  test::TempDir dir;
  test::write_images(dir / "images", 6);
  const ImageSource source = open_image_source(dir / "images");
  test::FakeEncoder encoder, other, int8;
  index_images(encoder, source, dir / "g", {});
  other.hash = "other";
  const std::string message = test::invalid_input_of([&] { index_images(other, source, dir / "g", {}); });
  for (const char* part : {"another model", "--overwrite"}) EXPECT_NE(message.find(part), std::string::npos) << message;
  EXPECT_EQ(open_gallery(dir / "g").manifest().embedding_space, encoder.hash);
  IndexOptions options;
  options.overwrite = true;
  index_images(other, source, dir / "g", options);
  EXPECT_EQ(open_gallery(dir / "g").manifest().embedding_space, "other");
  EXPECT_EQ(open_gallery(dir / "g").size(), 6);
  EXPECT_FALSE(std::filesystem::exists(partial_of(dir / "g")));
}

TEST(IndexAgain, OverwritingKeepsNothingOfOtherImages) {
  test::TempDir dir;
  const auto paths = test::write_images(dir / "images", 9);
  test::write_text(dir / "images/list.txt", "00.png\n01.png\n");
  test::FakeEncoder first, second, third;
  first.interrupt_at_call = 1;
  IndexOptions options;
  options.batch = 4;
  options.overwrite = true;
  EXPECT_THROW(index_images(first, open_image_source(dir / "images"), dir / "g", options), Interrupted);
  set_interrupted(false);
  ASSERT_GT(open_gallery(dir / "g").size(), 0);
  EXPECT_EQ(index_images(second, open_image_source(dir / "images/list.txt"), dir / "g", options).images, 2);
  EXPECT_EQ(open_gallery(dir / "g").size(), 2);
  // What had been made but could not be put into its place is not made again.
  test::write_images(dir / "g.partial", 1);  // a folder of the user's
  test::write_text(dir / "g/notes.txt", "mine");
  EXPECT_NE(test::invalid_input_of([&] { index_images(third, open_image_source(dir / "images"), dir / "g", options); }).find("notes.txt"),
            std::string::npos);
  std::filesystem::remove(dir / "g/notes.txt");
  EXPECT_EQ(index_images(third, open_image_source(dir / "images"), dir / "g", options).images, 9);
  EXPECT_TRUE(std::filesystem::exists(dir / "g.partial/00.png"));
  verify_gallery(dir / "g");
}

TEST(IndexAgain, AnImageIsOneByWhateverName) {
  test::TempDir dir;
  test::write_images(dir / "parent/images", 3);
  test::write_text(dir / "parent/images/list.txt", "./00.png\n01.png\n../images/01.png\n" + (dir / "parent/images/02.png").string() + "\n");
  test::FakeEncoder encoder;
  EXPECT_EQ(open_image_source(dir / "parent/images/list.txt").items.size(), 3u);
  for (const char* name : {"parent/images", "parent/images/list.txt", "parent"})
    EXPECT_EQ(index_images(encoder, open_image_source(dir / name), dir / "g", {}).images, 3) << name;
  EXPECT_EQ(index_images(encoder, open_image_source(dir / "parent/images"), dir / "g", {}).unchanged, true);
}

TEST(IndexAgain, ANumberIsNeverGivenTwice) {
  test::TempDir dir;
  const auto paths = test::write_images(dir / "images", 4);
  std::set<std::uint64_t> seen;
  for (int round = 0; round < 4; ++round) {
    write_png(paths[1], test::two_colours(10 * round, 2, 3, 200, 100, 50 + round));
    std::filesystem::last_write_time(paths[1], std::filesystem::file_time_type::clock::now() + std::chrono::hours(round));
    test::FakeEncoder encoder;
    index_images(encoder, open_image_source(dir / "images"), dir / "g", {});
    EXPECT_EQ(open_gallery(dir / "g").size(), 4);
    open_gallery(dir / "g").each([&](std::int64_t place) { seen.insert(open_gallery(dir / "g").number(place)); });
    EXPECT_EQ(seen.size(), 4u + static_cast<std::size_t>(round));
  }
}

TEST(IndexAgain, FailuresOfAllSourcesStayListed) {
  test::TempDir dir;
  test::write_images(dir / "good", 2);
  const auto bad = test::write_images(dir / "bad", 3);
  test::write_text(bad[1], "no image");
  test::FakeEncoder encoder;
  for (const char* name : {"bad", "good", "bad"}) {
    index_images(encoder, open_image_source(dir / name), dir / "g", {});
    const auto rows = read_csv_table(dir / "g/failed.csv", {"source", "path", "reason"});
    ASSERT_EQ(rows.size(), 1u) << name;
    EXPECT_EQ(rows[0][1], "01.png");
  }
}

TEST(IndexAgain, ItemsAreWhatNamesAndATableSay) {
  test::TempDir dir;
  const auto paths = test::write_images(dir / "images/gate", 3);
  test::write_text(dir / "table.csv", "path,id,x,y,width,height,time\ngate/00.png,7,0,0,10,10,2026-01-31\ngate/00.png,8,0,10,10,10,\n");
  ImageSource source = open_image_source(dir / "images");
  ItemDescription description;
  description.name_pattern = "{camera}/{frame}";
  description.table = (dir / "table.csv").string();
  describe_items(source, description);
  ASSERT_EQ(source.items.size(), 4u);
  test::FakeEncoder encoder, again;
  EXPECT_EQ(index_images(encoder, source, dir / "g", {}).indexed, 4);
  const GallerySnapshot gallery = open_gallery(dir / "g");
  EXPECT_EQ(gallery.item(0).id, 7);
  EXPECT_EQ(gallery.item(0).camera, "gate");
  EXPECT_EQ(time_string(gallery.item(0).time), "2026-01-31T00:00:00Z");
  EXPECT_EQ(shown_path(gallery.item(1)), "gate/00.png#xywh=0,10,10,10");
  EXPECT_EQ(gallery.item(3).frame, 2);
  std::vector<float> above(6), below(6);
  gallery.read_row(0, above.data());
  gallery.read_row(1, below.data());
  EXPECT_NE(above, below) << "parts of one image";
  EXPECT_TRUE(index_images(again, source, dir / "g", {}).unchanged);
  test::write_text(dir / "table.csv", "path\nnothing.png\n");
  EXPECT_NE(test::invalid_input_of([&] { describe_items(source, description); }).find("none of the images"), std::string::npos);
}

TEST(IndexAgain, AnEmptyShardIsAnEmptyGallery) {
  test::TempDir dir;
  test::write_images(dir / "images", 2);
  test::FakeEncoder encoder;
  IndexOptions options;
  options.shard = "1/4";  // 2 of 4 shards have an image
  EXPECT_EQ(index_images(encoder, open_image_source(dir / "images"), dir / "g", options).indexed, 0);
  EXPECT_TRUE(open_gallery(dir / "g").manifest().complete());
}

}  // namespace
}  // namespace edgeclip
