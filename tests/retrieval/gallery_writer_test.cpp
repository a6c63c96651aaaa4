#include "retrieval/gallery/writer.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <csignal>
#include <thread>

#include "base/file.h"
#include "base/rng.h"
#include "retrieval/fake_encoder.h"
#include "retrieval/gallery_support.h"
#include "support/support.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kDim = 6;

std::vector<GalleryItem> some_items(std::int64_t count, const std::string& name) {
  std::vector<GalleryItem> items;
  for (std::int64_t i = 0; i < count; ++i) items.push_back({fmt::format("{}{}.png", name, i), i % 5});
  return items;
}

/// Unit rows, each known by its item's number.
std::vector<float> row_of(std::uint64_t number) {
  Rng rng(number + 1);
  std::vector<float> row;
  double squares = 0;
  for (std::int64_t d = 0; d < kDim; ++d) {
    row.push_back(static_cast<float>(rng.normal()));
    squares += static_cast<double>(row.back()) * static_cast<double>(row.back());
  }
  for (float& x : row) x /= static_cast<float>(std::sqrt(squares));
  return row;
}

std::vector<float> rows_of_numbers(const std::vector<NumberedItem>& items) {
  std::vector<float> rows;
  for (const NumberedItem& item : items)
    for (const float x : row_of(item.number)) rows.push_back(x);
  return rows;
}

void append(GalleryWriter& writer, const std::vector<NumberedItem>& items, const std::vector<std::uint64_t>& replaced = {}) {
  writer.append(items, rows_of_numbers(items).data(), replaced);
}

/// Numbers in gallery order; each row is that of its number.
std::vector<std::uint64_t> numbers_of(const GallerySnapshot& gallery) {
  std::vector<std::uint64_t> numbers;
  std::vector<float> row(kDim);
  gallery.each([&](std::int64_t place) {
    numbers.push_back(gallery.number(place));
    gallery.read_row(place, row.data());
    EXPECT_EQ(row, row_of(numbers.back()));
  });
  EXPECT_EQ(gallery.size(), static_cast<std::int64_t>(numbers.size()));
  return numbers;
}

std::vector<std::uint64_t> from_to(std::uint64_t begin, std::uint64_t end) {
  std::vector<std::uint64_t> all;
  while (begin < end) all.push_back(begin++);
  return all;
}

/// No file can become longer than so many bytes.
class SmallFilesAlone {
 public:
  explicit SmallFilesAlone(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  ~SmallFilesAlone() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

class GalleryWriting : public testing::Test {
 protected:
  fs::path folder() const { return dir_ / "g"; }
  GalleryManifest fresh() const { return manifest_for(encoder_); }
  std::vector<std::uint64_t> numbers() const { return numbers_of(open_gallery(folder())); }
  void fill(std::int64_t count) const {
    GalleryWriter writer(folder(), fresh());
    const std::int32_t source = writer.put_source({}, std::nullopt, static_cast<std::uint64_t>(count));
    append(writer, test::numbered(some_items(count, "a"), 0, source));
    writer.seal();
  }
  test::TempDir dir_;
  test::FakeEncoder encoder_;
};

TEST_F(GalleryWriting, IsSeenWhenItIsSealedInTheOrderOfNumbers) {
  GalleryWriter writer(folder(), fresh());
  EXPECT_EQ(open_gallery(folder()).size(), 0) << "a gallery from the beginning";
  const std::int32_t source = writer.put_source({}, std::nullopt, 10);
  const auto items = test::numbered(some_items(10, "a"), 0, source);
  append(writer, {items.begin() + 6, items.end()});
  append(writer, {items.begin(), items.begin() + 6});
  EXPECT_EQ(open_gallery(folder()).size(), 0);
  const GallerySnapshot before = open_gallery(folder());
  writer.seal();
  EXPECT_EQ(numbers(), from_to(0, 10));
  EXPECT_EQ(before.size(), 0) << "a generation stays what it is";
  const std::int64_t generation = open_gallery(folder()).manifest().generation;
  writer.seal();
  EXPECT_EQ(open_gallery(folder()).manifest().generation, generation) << "nothing new";
  verify_gallery(folder());
}

TEST_F(GalleryWriting, SealsBySize) {
  SealRules rules;
  rules.journal_bytes = 1;
  GalleryWriter writer(folder(), fresh(), rules);
  const std::int32_t source = writer.put_source({}, std::nullopt, 4);
  const auto items = test::numbered(some_items(4, "a"), 0, source);
  for (const NumberedItem& item : items) append(writer, {item});
  EXPECT_EQ(open_gallery(folder()).segments().size(), 4u);
  EXPECT_EQ(numbers(), from_to(0, 4));
}

TEST_F(GalleryWriting, WhatWasAppendedWhenItWasKilledIsTakenUp) {
  const pid_t child = ::fork();
  if (child == 0) {
    GalleryWriter writer(folder(), fresh());
    const std::int32_t source = writer.put_source({}, std::nullopt, 7);
    append(writer, test::numbered(some_items(7, "a"), 0, source));
    ::_exit(0);  // no destructor
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  ASSERT_EQ(open_gallery(folder()).size(), 0);
  // A record that was cut off, as by a kill within append().
  fs::path journal;
  for (const auto& entry : fs::directory_iterator(folder()))
    if (entry.path().filename().string().starts_with("journal-")) journal = entry.path();
  std::string log = read_file(journal);
  test::write_text(journal, log + log.substr(0, log.size() / 2));
  fs::create_directories(folder() / "segments/000001");  // and a segment that no gallery.json came to name
  test::write_text(folder() / "segments/000001/rows.npy", "half");
  const GalleryWriter next(folder(), std::nullopt);
  EXPECT_EQ(numbers(), from_to(0, 7));
  verify_gallery(folder());
}

TEST_F(GalleryWriting, AJournalOfThePastIsNotTakenUpTwice) {
  fill(3);
  std::string log;
  {
    GalleryWriter writer(folder(), std::nullopt);
    const std::int32_t source = writer.put_source({}, std::nullopt, 2);
    append(writer, test::numbered(some_items(2, "b"), 3, source));
    log = read_file(folder() / "journal-000002.log");
    ASSERT_FALSE(log.empty());
    writer.seal();
  }
  test::write_text(folder() / "journal-000002.log", log);  // killed behind gallery.json, before the journal went
  const GalleryWriter again(folder(), std::nullopt);
  EXPECT_EQ(numbers(), from_to(0, 5));
  EXPECT_FALSE(fs::exists(folder() / "journal-000002.log"));
}

TEST_F(GalleryWriting, WhatAKillLeftOfTheFirstStepIsNoOtherFolder) {
  fs::create_directory(folder());
  test::write_text(folder() / ".gallery.json.edgeclip-tmp", "half");
  fill(2);
  EXPECT_EQ(numbers(), from_to(0, 2));
}

TEST_F(GalleryWriting, LeavesFilesOfOthersAlone) {
  fill(2);
  fs::create_directory(folder() / "segments/mine");
  for (const char* name : {"journal-notes.txt", "journal-000001.txt", "segments/000001/live-notes.npy"}) test::write_text(folder() / name, "mine");
  {
    GalleryWriter writer(folder(), std::nullopt);
    writer.remove([](const GallerySnapshot&, std::int64_t) { return true; });
  }
  for (const char* name : {"journal-notes.txt", "journal-000001.txt", "segments/000001/live-notes.npy", "segments/mine"})
    EXPECT_TRUE(fs::exists(folder() / name)) << name;
}

TEST_F(GalleryWriting, WhoMadeItIsKnownAfterAKill) {
  encoder_.precision_ = "int8";
  const pid_t child = ::fork();
  if (child == 0) {
    GalleryWriter writer(folder(), fresh());
    writer.made_by(encoder_);
    append(writer, test::numbered(some_items(2, "a"), 0, writer.put_source({}, std::nullopt, 2)));
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  GalleryWriter(folder(), std::nullopt).compact(DType::f32);
  EXPECT_EQ(open_gallery(folder()).segments().at(0).entry.precision, "int8");
  EXPECT_EQ(open_gallery(folder()).segments().at(0).entry.model_hash, encoder_.hash);
}

TEST_F(GalleryWriting, WhatIsEmptyCanBeDiscarded) {
  {
    GalleryWriter writer(folder(), fresh());
    writer.discard();
  }
  EXPECT_FALSE(fs::exists(folder()));
  fs::create_directory(folder());
  {
    GalleryWriter writer(folder(), fresh());
    append(writer, test::numbered(some_items(1, "a"), 0, writer.put_source({}, std::nullopt, 1)));
    writer.discard();
  }
  GalleryWriter(folder(), std::nullopt).discard();
  EXPECT_EQ(numbers(), from_to(0, 1)) << "it was not empty, and another one's";
}

TEST_F(GalleryWriting, HasOneWriter) {
  const GalleryWriter first(folder(), fresh());
  const std::string message = test::invalid_input_of([&] { GalleryWriter(folder(), fresh()); });
  EXPECT_NE(message.find("another process is writing"), std::string::npos) << message;
}

TEST_F(GalleryWriting, RefusesAnotherSpaceAndOtherFolders) {
  fill(2);
  test::FakeEncoder other;
  other.card_.embedding_space = "another";
  EXPECT_NE(test::invalid_input_of([&] { GalleryWriter(folder(), manifest_for(other)); }).find("another model"), std::string::npos);
  fs::create_directory(dir_ / "mine");
  test::write_text(dir_ / "mine/thesis.txt", "x");
  EXPECT_NE(test::invalid_input_of([&] { GalleryWriter(dir_ / "mine", fresh()); }).find("mine"), std::string::npos);
  EXPECT_NE(test::invalid_input_of([&] { GalleryWriter(dir_ / "none", std::nullopt); }).find("none"), std::string::npos);
  EXPECT_FALSE(fs::exists(dir_ / "none"));
}

TEST_F(GalleryWriting, RemovesItemsAndCompacts) {
  fill(130);  // more than two words of a mask
  {
    GalleryWriter writer(folder(), std::nullopt);
    const auto person = [](std::int64_t id) {
      return [id](const GallerySnapshot& gallery, std::int64_t place) { return gallery.item(place).id == id; };
    };
    EXPECT_EQ(writer.remove(person(3)), 26);
    EXPECT_EQ(writer.remove(person(3)), 0);
    EXPECT_EQ(writer.remove(person(4)), 26);
  }
  GallerySnapshot gallery = open_gallery(folder());
  EXPECT_EQ(gallery.size(), 78);
  EXPECT_EQ(gallery.places(), 130);
  for (const std::uint64_t number : numbers()) EXPECT_LT(number % 5, 3u);
  for (std::int64_t i = 0; i < 78; ++i) EXPECT_EQ(gallery.number(gallery.place_of(i)), numbers()[static_cast<std::size_t>(i)]);
  const auto before = numbers();
  GalleryWriter(folder(), std::nullopt).compact(DType::f32);
  EXPECT_EQ(numbers(), before);
  EXPECT_EQ(open_gallery(folder()).places(), 78);
  EXPECT_EQ(numbers_of(gallery), before) << "who has opened it goes on with what there was";
  verify_gallery(folder());
  GalleryWriter writer(folder(), std::nullopt);
  EXPECT_EQ(writer.remove([](const GallerySnapshot&, std::int64_t) { return true; }), 78);
  writer.compact(DType::i8);
  EXPECT_EQ(open_gallery(folder()).segments().size(), 0u);
}

TEST_F(GalleryWriting, ReplacesInOneStep) {
  fill(4);
  GalleryWriter writer(folder(), std::nullopt);
  const std::uint64_t number = writer.new_number();
  EXPECT_EQ(number, 4u);
  append(writer, test::numbered(some_items(1, "new"), number, 0), {1});
  EXPECT_EQ(numbers(), from_to(0, 4));
  writer.seal();
  EXPECT_EQ(numbers(), (std::vector<std::uint64_t>{0, 2, 3, 4}));
}

TEST_F(GalleryWriting, CompactingMakesSmallerRows) {
  fill(50);
  const GallerySnapshot exact = open_gallery(folder());
  for (const DType rows : {DType::f16, DType::i8}) {
    GalleryWriter(folder(), std::nullopt).compact(rows);
    const GallerySnapshot gallery = open_gallery(folder());
    EXPECT_EQ(gallery.manifest().rows, rows);
    const Tensor now = test::rows_of(gallery), then = test::rows_of(exact);
    for (std::int64_t k = 0; k < now.elements(); ++k) EXPECT_NEAR(now.data<float>()[k], then.data<float>()[k], 0.01);
    verify_gallery(folder());
  }
}

TEST_F(GalleryWriting, MergesGalleries) {
  fill(5);
  test::TempDir other;
  {
    GalleryWriter writer(other / "h", fresh());
    GallerySource source;
    source.image_root = "/elsewhere";
    const std::int32_t place = writer.put_source(source, std::nullopt, 3);
    const auto items = test::numbered(some_items(3, "b"), 0, place);
    std::vector<NumberedItem> later = items;  // rows are those of the numbers that they will have
    for (NumberedItem& item : later) item.number += 5;
    writer.append(items, rows_of_numbers(later).data());
    writer.seal();
    writer.remove([](const GallerySnapshot& gallery, std::int64_t at) { return gallery.number(at) == 1; });
  }
  GalleryWriter(folder(), std::nullopt).merge({open_gallery(other / "h")});
  EXPECT_EQ(numbers(), (std::vector<std::uint64_t>{0, 1, 2, 3, 4, 5, 7}));
  const GallerySnapshot gallery = open_gallery(folder());
  EXPECT_EQ(gallery.source(gallery.place_of(6)).image_root, "/elsewhere");
  EXPECT_EQ(gallery.item(gallery.place_of(6)).path, "b2.png");
  verify_gallery(folder());
}

TEST_F(GalleryWriting, MergesOnlyPartsThatFit) {
  const auto part = [&](const char* name, const char* shard, const char* list) {
    GallerySource source;
    source.kind = "images";
    source.path = "crops";
    source.image_root = "/crops";
    source.shard = shard;
    source.list = list;
    test::add_to_gallery(dir_ / name, fresh(), some_items(1, name), Tensor::from<float>({1, 6}, {1, 0, 0, 0, 0, 0}), source);
    return open_gallery(dir_ / name);
  };
  const GallerySnapshot one = part("one", "1/2", "x"), two = part("two", "2/2", "x"), again = part("again", "2/2", "x"),
                        other = part("other", "2/2", "y");
  const auto merge = [&](const std::vector<GallerySnapshot>& parts) { GalleryWriter(dir_ / "all", fresh()).merge(parts); };
  EXPECT_NE(test::invalid_input_of([&] { merge({one, other}); }).find("had other images"), std::string::npos);
  EXPECT_NE(test::invalid_input_of([&] { merge({one, two, again}); }).find("there already"), std::string::npos);
  EXPECT_EQ(open_gallery(dir_ / "all").size(), 0) << "all or nothing";
  const GallerySnapshot whole = part("whole", "1/1", "x");
  EXPECT_NE(test::invalid_input_of([&] { merge({one, whole}); }).find("there already"), std::string::npos);
  merge({two, one});
  EXPECT_EQ(open_gallery(dir_ / "all").size(), 2);
  EXPECT_NE(test::invalid_input_of([&] { merge({two}); }).find("there already"), std::string::npos);
  GalleryManifest foreign = fresh();
  foreign.embedding_space = "another";
  test::add_to_gallery(dir_ / "foreign", foreign, {}, Tensor(DType::f32, {0, 6}));
  EXPECT_NE(test::invalid_input_of([&] { merge({open_gallery(dir_ / "foreign")}); }).find("another model"), std::string::npos);
}

TEST_F(GalleryWriting, WhatCannotBeSealedStaysInTheJournal) {
  fill(5);
  {
    GalleryWriter writer(folder(), std::nullopt);
    const std::uint64_t number = writer.new_number();
    append(writer, test::numbered(some_items(1, "b"), number, 0), {2});
    {
      const SmallFilesAlone limit(16);  // as on a full disk
      EXPECT_ANY_THROW(writer.seal());
    }
    EXPECT_EQ(numbers(), from_to(0, 5)) << "nothing is replaced by what does not come";
  }
  const GalleryWriter next(folder(), std::nullopt);
  EXPECT_EQ(numbers(), (std::vector<std::uint64_t>{0, 1, 3, 4, 5}));
  verify_gallery(folder());
}

TEST_F(GalleryWriting, ReadersSeeWholeGenerations) {
  fill(8);
  std::atomic<bool> done{false};
  std::atomic<int> opened{0};
  std::thread reader([&] {
    while (!done) {
      const GallerySnapshot gallery = open_gallery(folder());
      EXPECT_EQ(gallery.size() % 8, 0);
      EXPECT_EQ(numbers_of(gallery).size(), static_cast<std::size_t>(gallery.size()));
      ++opened;
    }
  });
  for (int k = 0; k < 12 || opened < 12; ++k) {
    GalleryWriter writer(folder(), std::nullopt);
    const std::int32_t source = writer.put_source({}, std::nullopt, 8);
    append(writer, test::numbered(some_items(8, "x"), writer.manifest().sources[static_cast<std::size_t>(source)].first_item, source));
    writer.seal();
    if (k % 3 == 2) writer.compact(DType::f32);
  }
  done = true;
  reader.join();
  verify_gallery(folder());
}

}  // namespace
}  // namespace edgeclip
