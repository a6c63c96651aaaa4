#include "retrieval/index/indexing.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <set>

#include "base/file.h"
#include "base/output_claim.h"
#include "base/signals.h"
#include "base/csv.h"
#include "retrieval/encode.h"
#include "retrieval/fake_encoder.h"
#include "retrieval/gallery/time_text.h"
#include "retrieval/gallery_support.h"
#include "retrieval/index/describe_items.h"
#include "support/support.h"
#include "support/vtest.h"

namespace edgeclip {
namespace {

void expect_gallery_of(const GallerySnapshot& gallery, const std::vector<std::filesystem::path>& paths) {
  test::FakeEncoder plain;
  const Tensor expected = encode_image_files(plain, paths);
  ASSERT_EQ(gallery.size(), static_cast<std::int64_t>(paths.size()));
  for (std::size_t i = 0; i < paths.size(); ++i)
    EXPECT_EQ(gallery.file_of(gallery.place_of(static_cast<std::int64_t>(i))), paths[i]);
  EXPECT_EQ(std::memcmp(test::rows_of(gallery).raw(), expected.raw(), expected.bytes()), 0);
}

TEST(Indexing, KeepsInputOrderWhateverTheSchedule) {
  test::TempDir dir;
  const auto paths = test::write_images(dir / "images", 37);
  const ImageSource source = open_image_source(dir / "images");
  for (const char* schedule : {"dynamic", "static"})
    for (const int producers : {1, 3, 50})
      for (const int consumers : {1, 4}) {
        SCOPED_TRACE(fmt::format("{} {} {}", schedule, producers, consumers));
        test::FakeEncoder encoder;
        IndexOptions options;
        options.schedule = schedule;
        options.producers = producers;
        options.consumers = consumers;
        options.batch = 5;
        options.overwrite = true;
        const IndexReport report = index_images(encoder, source, dir / "g", options);
        EXPECT_EQ(report.indexed, 37);
        EXPECT_TRUE(report.failed.empty());
        for (const auto batch : encoder.batches) EXPECT_LE(batch, 5);
        expect_gallery_of(open_gallery(dir / "g"), paths);
      }
}

TEST(Indexing, EveryModeGivesTheSameGallery) {
  test::TempDir dir;
  const auto paths = test::write_images(dir / "images", 75);
  const ImageSource source = open_image_source(dir / "images");
  for (const std::string& mode : encode_modes())
    for (const bool shared : {false, true}) {  // an encoder whose calls share an executor, and one whose calls are alone
      SCOPED_TRACE(fmt::format("{} {}", mode, shared));
      test::FakeEncoder encoder;
      if (shared) encoder.executor_ = &kernels::serial_executor();
      IndexOptions options;
      options.mode = mode;
      options.overwrite = true;
      const IndexReport report = index_images(encoder, source, dir / "g", options);
      EXPECT_EQ(report.indexed, 75);
      EXPECT_EQ(to_json(report)["mode"], mode);
      EXPECT_EQ(report.options.batch, mode == "baseline" ? 1 : 32);
      EXPECT_EQ(encoder.batches.front(), mode == "baseline" ? 1 : 32);
      expect_gallery_of(open_gallery(dir / "g"), paths);
    }
}

TEST(Indexing, ModesRefuseWhatTheyDoNotHave) {
  test::TempDir dir;
  test::write_images(dir / "images", 2);
  const auto refused = [&](auto change) {
    test::FakeEncoder encoder;
    IndexOptions options;
    change(options);
    return test::invalid_input_of([&] { index_images(encoder, open_image_source(dir / "images"), dir / "g", options); });
  };
  EXPECT_NE(refused([](auto& o) { o.mode = "baseline", o.batch = 8; }).find("use mode batched"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.mode = "parallel", o.consumers = 2; }).find("use mode static or dynamic"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.mode = "batched", o.producers = 3; }).find("use mode parallel"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.mode = "parallel", o.schedule = "static"; }).find("another mode"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.mode = "fast"; }).find("is none of"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(dir / "g"));
}

TEST(Indexing, RespectsTheEncodersLargestBatch) {
  test::TempDir dir;
  test::write_images(dir / "images", 9);
  test::FakeEncoder encoder;
  encoder.largest_batch = 2;
  EXPECT_EQ(index_images(encoder, open_image_source(dir / "images"), dir / "g", {}).indexed, 9);
}

TEST(Indexing, LeavesOutCorruptImagesAndListsThem) {
  test::TempDir dir;
  auto paths = test::write_images(dir / "images", 8);
  test::write_text(paths[3], "no image");
  std::filesystem::resize_file(paths[6], 60);
  const std::string bad_name = (dir / "images").string() + "/zz\xff.png";
  std::filesystem::copy_file(paths[0], bad_name);
  test::FakeEncoder encoder;
  const IndexReport report = index_images(encoder, open_image_source(dir / "images"), dir / "g", {});
  EXPECT_EQ(report.indexed, 6);
  ASSERT_EQ(report.failed.size(), 3u);
  EXPECT_EQ(report.failed[0].first, "03.png");
  EXPECT_EQ(report.failed[1].first, "06.png");
  EXPECT_NE(report.failed[2].second.find("UTF-8"), std::string::npos);
  const Json json = to_json(report);
  EXPECT_EQ(json["failed"], 3);
  EXPECT_FALSE(json.dump().empty());
  paths.erase(paths.begin() + 6);
  paths.erase(paths.begin() + 3);
  expect_gallery_of(open_gallery(dir / "g"), paths);
}

TEST(Indexing, OfNothingReadableIsAnError) {
  test::TempDir dir;
  test::write_text(dir / "a.png", "no image");
  test::FakeEncoder encoder;
  EXPECT_NE(test::invalid_input_of([&] {
              index_images(encoder, open_image_source(dir.path()), dir / "g", {});
            }).find("none of its 1"),
            std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(dir / "g"));
}

TEST(Indexing, ShardsAreAPartition) {
  test::TempDir dir;
  test::write_images(dir / "images", 11);
  const ImageSource source = open_image_source(dir / "images");
  std::vector<std::string> all;
  for (int i = 1; i <= 4; ++i) {
    test::FakeEncoder encoder;
    IndexOptions options;
    options.shard = fmt::format("{}/4", i);
    options.schedule = i % 2 ? "static" : "dynamic";
    options.overwrite = true;
    index_images(encoder, source, dir / "g", options);
    for (const auto& item : test::items_of(open_gallery(dir / "g"))) all.push_back(item.path);
  }
  ASSERT_EQ(all.size(), 11u);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], source.items[i].path);
}

TEST(Indexing, KeepsWhatWasFinishedWhenInterrupted) {
  for (const char* schedule : {"dynamic", "static"}) {
    test::TempDir dir;
    test::write_images(dir / "images", 60);
    test::FakeEncoder encoder;
    encoder.interrupt_at_call = 2;
    IndexOptions options;
    options.batch = 4;
    options.producers = 2;
    options.consumers = 2;
    options.schedule = schedule;
    EXPECT_THROW(index_images(encoder, open_image_source(dir / "images"), dir / "g", options), Interrupted);
    set_interrupted(false);
    const GallerySnapshot gallery = open_gallery(dir / "g");
    EXPECT_FALSE(gallery.manifest().complete());
    EXPECT_GE(gallery.size(), 4);
    EXPECT_LT(gallery.size(), 60);
    test::FakeEncoder plain;
    for (std::int64_t i = 0; i < gallery.size(); ++i) {  // each row belongs to its item
      const Tensor row = encode_image_files(plain, {gallery.file_of(gallery.place_of(i))});
      EXPECT_EQ(std::memcmp(row.raw(), test::rows_of(gallery).raw() + static_cast<std::size_t>(i) * 24, 24), 0);
    }
  }
}

TEST(Indexing, TheSameCommandGoesOnWhereItWasInterrupted) {
  test::TempDir dir;
  const auto paths = test::write_images(dir / "images", 60);
  test::write_text(paths[50], "no image");
  const ImageSource source = open_image_source(dir / "images");
  test::FakeEncoder first;
  first.interrupt_at_call = 2;
  IndexOptions options;
  options.batch = 4;
  EXPECT_THROW(index_images(first, source, dir / "g", options), Interrupted);
  set_interrupted(false);
  const std::int64_t done = open_gallery(dir / "g").size();
  ASSERT_LT(done, 59);

  test::FakeEncoder second;
  const IndexReport report = index_images(second, source, dir / "g", options);
  EXPECT_EQ(report.resumed, done);
  EXPECT_EQ(report.indexed, 59);
  std::int64_t encoded = 0;
  for (const auto batch : second.batches) encoded += batch;
  EXPECT_EQ(encoded, 59 - done) << "nothing is encoded twice";
  auto readable = paths;
  readable.erase(readable.begin() + 50);
  expect_gallery_of(open_gallery(dir / "g"), readable);

  test::FakeEncoder third;
  const IndexReport again = index_images(third, source, dir / "g", options);
  EXPECT_TRUE(again.unchanged);
  EXPECT_EQ(again.indexed, 59);
  EXPECT_EQ(again.failed.size(), 1u);
  EXPECT_EQ(third.image_calls, 0);
}

TEST(Indexing, KeepsWhatWasFinishedWhenTheMachineFails) {
  test::TempDir dir;
  test::write_images(dir / "images", 40);
  const ImageSource source = open_image_source(dir / "images");
  test::FakeEncoder encoder;
  encoder.no_memory_at_call = 3;
  IndexOptions options;
  options.batch = 4;
  EXPECT_THROW(index_images(encoder, source, dir / "g", options), std::bad_alloc);
  EXPECT_FALSE(open_gallery(dir / "g").manifest().complete());
  EXPECT_EQ(open_gallery(dir / "g").size(), 8);
  test::FakeEncoder plain;
  EXPECT_EQ(index_images(plain, source, dir / "g", options).indexed, 40);
  // Beside one that is complete.
  options.overwrite = true;
  test::FakeEncoder again;
  again.no_memory_at_call = 3;
  EXPECT_THROW(index_images(again, source, (dir / "g").string() + "/", options), std::bad_alloc);
  EXPECT_TRUE(open_gallery(dir / "g").manifest().complete());
  EXPECT_FALSE(open_gallery(partial_of(dir / "g")).manifest().complete());
  test::FakeEncoder last;  // goes on from there
  const IndexReport report = index_images(last, source, dir / "g", options);
  EXPECT_EQ(report.resumed, 8);
  EXPECT_EQ(open_gallery(dir / "g").size(), 40);
  EXPECT_FALSE(std::filesystem::exists(partial_of(dir / "g")));
}

TEST(Indexing, AFolderHasManyNames) {
  test::TempDir dir;
  test::write_images(dir / "images", 3);
  std::filesystem::create_directory_symlink(dir / "images", dir / "link");
  test::FakeEncoder encoder;
  index_images(encoder, open_image_source(dir / "images"), dir / "g", {});
  for (const char* name : {"images/", "./images", "link"})
    EXPECT_TRUE(index_images(encoder, open_image_source(dir / name), dir / "g", {}).unchanged) << name;
}

TEST(Indexing, ABrokenImageThatWasMendedIsTriedAgain) {
  test::TempDir dir;
  const auto paths = test::write_images(dir / "images", 12);
  const std::string good = read_file(paths[0]);
  test::write_text(paths[0], "no image");
  test::FakeEncoder encoder;
  encoder.interrupt_at_call = 1;
  IndexOptions options;
  options.batch = 4;
  EXPECT_THROW(index_images(encoder, open_image_source(dir / "images"), dir / "g", options), Interrupted);
  set_interrupted(false);
  test::write_text(paths[0], good);
  test::FakeEncoder plain;
  EXPECT_EQ(index_images(plain, open_image_source(dir / "images"), dir / "g", options).indexed, 12);
  EXPECT_TRUE(open_gallery(dir / "g").manifest().sources.at(0).left_out.empty());
  EXPECT_FALSE(std::filesystem::exists(dir / "g/failed.csv"));
}

TEST(Indexing, SaysWhatShareIsUnreadable) {
  test::TempDir dir;
  const auto paths = test::write_images(dir / "images", 8);
  test::write_text(paths[3], "no image");
  test::write_text(paths[5], "no image");
  test::FakeEncoder encoder;
  const IndexReport report = index_images(encoder, open_image_source(dir / "images"), dir / "g", {});
  EXPECT_DOUBLE_EQ(report.unreadable(), 25);
  EXPECT_EQ(read_csv_table(dir / "g/failed.csv", {"source", "path", "reason"}).size(), 2u);
  EXPECT_EQ(open_gallery(dir / "g").manifest().sources.at(0).left_out, (std::vector<std::string>{"03.png", "05.png"}));
}

TEST(Indexing, WritesNothingWhenInterruptedBeforeTheFirstImage) {
  test::TempDir dir;
  test::write_images(dir / "images", 4);
  test::FakeEncoder encoder;
  const ImageSource source = open_image_source(dir / "images");
  set_interrupted(true);
  EXPECT_THROW(index_images(encoder, source, dir / "g", {}), Interrupted);
  set_interrupted(false);
  EXPECT_FALSE(std::filesystem::exists(dir / "g"));
}

TEST(Indexing, AnEncodersErrorEndsIt) {
  for (const char* schedule : {"dynamic", "static"}) {
    test::TempDir dir;
    test::write_images(dir / "images", 60);
    test::FakeEncoder encoder;
    encoder.fail_at_call = 2;
    IndexOptions options;
    options.batch = 2;
    options.producers = 3;
    options.consumers = 2;
    options.schedule = schedule;
    EXPECT_THROW(index_images(encoder, open_image_source(dir / "images"), dir / "g", options), InternalError);
    if (std::filesystem::exists(dir / "g")) {  // what another consumer had finished
      EXPECT_FALSE(open_gallery(dir / "g").manifest().complete());
      EXPECT_GT(open_gallery(dir / "g").size(), 0);
    }
  }
}

TEST(Indexing, BadOptionsAndOutputsAreNamedBeforeAnyWork) {
  test::TempDir dir;
  test::write_images(dir / "images", 2);
  const ImageSource source = open_image_source(dir / "images");
  test::FakeEncoder encoder;
  const auto message = [&](const IndexOptions& options, const std::string& out) {
    return test::invalid_input_of([&] { index_images(encoder, source, dir / out, options); });
  };
  IndexOptions options;
  options.schedule = "fair";
  EXPECT_NE(message(options, "g").find("schedule"), std::string::npos);
  options = {};
  options.batch = -1;
  EXPECT_NE(message(options, "g").find("batch"), std::string::npos);
  options = {};
  options.shard = "0/2";
  EXPECT_NE(message(options, "g").find("1 <= i <= n"), std::string::npos);
  EXPECT_NE(message({}, "images").find("not replaced"), std::string::npos);
  EXPECT_NE(message({}, "images/00.png/g").find("00.png"), std::string::npos);
  EXPECT_EQ(encoder.image_calls, 0);
}

TEST(IndexingData, FramesOfAVideo) {
  EDGECLIP_REQUIRE_VTEST(video);
  test::TempDir dir;
  test::FakeEncoder encoder;
  IndexOptions options;
  options.frame_step = 200;
  const IndexReport report = index_images(encoder, open_image_source(video), dir / "g", options);
  EXPECT_EQ(report.indexed, 4);
  const GallerySnapshot gallery = open_gallery(dir / "g");
  EXPECT_EQ(shown_path(gallery.item(2)), "vtest.avi#frame=400");
  EXPECT_EQ(gallery.item(2).frame, 400);
  ItemReader reader;
  EXPECT_EQ(reader.read(gallery.file_of(0), gallery.item(0), gallery.source(0)).width, 768);
  EXPECT_TRUE(gallery.source(0).constant_rate);
  const Image late = reader.read(gallery.file_of(3), gallery.item(3), gallery.source(3));
  ItemReader from_the_start;
  GallerySource uneven = gallery.source(0);
  uneven.constant_rate = false;
  EXPECT_EQ(late.rgb, from_the_start.read(gallery.file_of(3), gallery.item(3), uneven).rgb);
  EXPECT_EQ(reader.read(gallery.file_of(1), gallery.item(1), gallery.source(1)).rgb, from_the_start.read(gallery.file_of(1), gallery.item(1), uneven).rgb);
  test::FakeEncoder again;
  EXPECT_TRUE(index_images(again, open_image_source(video), dir / "g", options).unchanged);
  EXPECT_EQ(again.image_calls, 0);
}

}  // namespace
}  // namespace edgeclip
