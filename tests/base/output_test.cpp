#include "base/atomic_output.h"
#include "base/csv.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "support/support.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

std::size_t entries(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(AtomicFile, AppearsOnlyWhenCommitted) {
  test::TempDir dir;
  {
    AtomicFile file(dir / "a");
    file.write("xyz");
    EXPECT_FALSE(fs::exists(dir / "a"));
  }
  EXPECT_EQ(entries(dir.path()), 0u);
  AtomicFile file(dir / "sub/a");
  file.write("xyz");
  file.pad_to(64);
  EXPECT_EQ(file.offset(), 64u);
  file.commit();
  EXPECT_EQ(read_file(dir / "sub/a").size(), 64u);
  EXPECT_EQ(entries(dir / "sub"), 1u);
}

TEST(AtomicFile, RefusesWhatCannotBeWritten) {
  test::TempDir dir;
  test::write_text(dir / "file", "x");
  EXPECT_NE(
      test::invalid_input_of([&] { AtomicFile(dir / "file/below"); }).find("choose another output path"),
      std::string::npos);
  fs::create_directory(dir / "folder");
  EXPECT_NE(test::invalid_input_of([&] { AtomicFile(dir / "folder"); }).find("is a folder"),
            std::string::npos);
  EXPECT_EQ(read_file(dir / "file"), "x");
}

TEST(AtomicDirectory, ReplacesOnlyItsOwnKind) {
  test::TempDir dir;
  const auto write = [&](const char* text) {
    AtomicDirectory out(dir / "artifact", "marker.json");
    test::write_text(out.work() / "marker.json", text);
    out.commit();
  };
  write("1");
  write("2");
  EXPECT_EQ(read_file(dir / "artifact/marker.json"), "2");
  EXPECT_EQ(entries(dir.path()), 1u);
  EXPECT_NE(
      test::invalid_input_of([&] { AtomicDirectory(dir / "artifact", "other.json"); }).find("not replaced"),
      std::string::npos);
  {
    AtomicDirectory out(dir / "artifact", "marker.json");
    test::write_text(out.work() / "marker.json", "3");
  }
  EXPECT_EQ(read_file(dir / "artifact/marker.json"), "2");
  EXPECT_EQ(entries(dir.path()), 1u);
}

TEST(Csv, RoundTripOfDifficultFields) {
  test::TempDir dir;
  const std::vector<std::vector<std::string>> rows = {
      {"a", "b"}, {"x,y", "say \"hi\""}, {"", "line\nbreak"}, {"\xC3\xA9", ""}};
  std::string text;
  for (const auto& row : rows) text += csv_row(row);
  test::write_text(dir / "a.csv", text);
  EXPECT_EQ(read_csv(dir / "a.csv"), rows);
  test::write_text(dir / "b.csv", "a,b\r\n1,2\r\n");
  EXPECT_EQ(read_csv_table(dir / "b.csv", {"a", "b"}), (std::vector<std::vector<std::string>>{{"1", "2"}}));
}

TEST(Csv, FaultsNameTheirPlace) {
  test::TempDir dir;
  test::write_text(dir / "a.csv", "a,b\n1,\"2\n");
  EXPECT_NE(test::invalid_input_of([&] { read_csv(dir / "a.csv"); }).find("line 2"), std::string::npos);
  test::write_text(dir / "b.csv", "a,b\n1,2,3\n");
  EXPECT_NE(test::invalid_input_of([&] {
              read_csv_table(dir / "b.csv", {"a", "b"});
            }).find("record 1 has 3 fields"),
            std::string::npos);
  EXPECT_NE(test::invalid_input_of([&] {
              read_csv_table(dir / "b.csv", {"a", "c"});
            }).find("\"a,c\""),
            std::string::npos);
  test::write_text(dir / "c.csv", "a\n\xFF\n");
  EXPECT_NE(test::invalid_input_of([&] { read_csv(dir / "c.csv"); }).find("UTF-8"), std::string::npos);
}

TEST(Hash, KnownValueAndFile) {
  EXPECT_EQ(hash_text(""),
            "99aa06d3014798d86001c324468d497f");  // XXH3_128bits of nothing, from xxHash's specification
  test::TempDir dir;
  test::write_text(dir / "f", "hello");
  EXPECT_EQ(hash_file(dir / "f"), hash_text("hello"));
  EXPECT_NE(hash_text("hello"), hash_text("hellp"));
}

}  // namespace
}  // namespace edgeclip
