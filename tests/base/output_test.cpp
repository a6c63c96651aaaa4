#include "base/artifact.h"
#include "base/atomic_output.h"
#include "base/csv.h"
#include "base/error.h"
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

TEST(AtomicFile, MissingParentsGoAgainWhenNothingIsCommitted) {
  test::TempDir dir;
  { AtomicFile file(dir / "a/b/c"); }
  EXPECT_EQ(entries(dir.path()), 0u);
  fs::create_directories(dir / "a");
  {
    AtomicFile file(dir / "a/b/c");
    test::write_text(dir / "a/b/other", "x");
  }
  EXPECT_EQ(read_file(dir / "a/b/other"), "x") << "what somebody else wrote stays";
  require_writable(dir / "p/q/r");
  EXPECT_FALSE(fs::exists(dir / "p"));
}

const char* const kHead = R"({"format": 1, "edgeclip": "0.1.0", "n": 1})";

TEST(AtomicFile, LinksAreFollowedAndDevicesWrittenAsTheyAre) {
  test::TempDir dir;
  test::write_text(dir / "target", "old");
  fs::create_symlink(dir / "target", dir / "link");
  AtomicFile file(dir / "link");
  file.write("new");
  file.commit();
  EXPECT_TRUE(fs::is_symlink(dir / "link"));
  EXPECT_EQ(read_file(dir / "target"), "new");
  const auto fill = [&](const fs::path& path) {
    AtomicFile out(path);
    out.write("x");
    out.commit();
  };
  fill("/dev/null");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  EXPECT_THROW(fill("/dev/full"), MachineFault);
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
}

TEST(AtomicDirectory, ReplacesOnlyItsOwnKind) {
  test::TempDir dir;
  const auto write = [&](const char* text) {
    AtomicDirectory out(dir / "artifact", "marker.json", {.overwrite = true});
    test::write_text(out.work() / "marker.json", kHead);
    fs::create_directory(out.work() / "tokenizer");
    test::write_text(out.work() / "tokenizer/text", text);
    out.commit();
  };
  write("1");
  write("2");
  EXPECT_EQ(read_file(dir / "artifact/tokenizer/text"), "2");
  EXPECT_EQ(entries(dir.path()), 1u);
  EXPECT_NE(
      test::invalid_input_of([&] { AtomicDirectory(dir / "artifact", "other.json"); }).find("not replaced"),
      std::string::npos);
  EXPECT_NE(
      test::invalid_input_of([&] { AtomicDirectory(dir / "artifact/", "marker.json"); }).find("--overwrite"),
      std::string::npos);
  {
    AtomicDirectory out(dir / "artifact/", "marker.json", {.overwrite = true});
    EXPECT_EQ(out.work().parent_path(), dir.path()) << "a trailing slash is no other place";
    test::write_text(out.work() / "text", "3");
  }
  EXPECT_EQ(read_file(dir / "artifact/tokenizer/text"), "2");
  EXPECT_EQ(entries(dir.path()), 1u);
}

TEST(AtomicDirectory, WhatSomebodyElsePutThereStays) {
  test::TempDir dir;
  fs::create_directories(dir / "a/images");
  test::write_text(dir / "a/marker.json",
                   R"({"format": 1, "edgeclip": "0.1.0", "files": {"x.npy": {}, "deep/y": {}}})");
  test::write_text(dir / "a/x.npy", "x");
  fs::create_directory(dir / "a/deep");
  fs::remove(dir / "a/images");
  const FolderRules replace = {.overwrite = true};
  EXPECT_NO_THROW(AtomicDirectory(dir / "a", "marker.json", replace));
  test::write_text(dir / "a/notes.txt", "mine");
  EXPECT_NE(test::invalid_input_of([&] {
              AtomicDirectory(dir / "a", "marker.json", replace);
            }).find("holds \"notes.txt\""),
            std::string::npos);
  EXPECT_EQ(read_file(dir / "a/notes.txt"), "mine");
}

TEST(AtomicDirectory, WhatComesWhileItIsMadeIsCarriedOver) {
  test::TempDir dir;
  const auto make = [&](const FolderRules& rules, const char* text, const std::function<void()>& meanwhile) {
    AtomicDirectory out(dir / "a", "marker.json", rules);
    test::write_text(out.work() / "marker.json", kHead);
    test::write_text(out.work() / "marker.json.txt", text);
    meanwhile();
    out.commit();
  };
  make({}, "1", [] {});
  fs::remove(dir / "a/marker.json.txt");
  make({.overwrite = true}, "2", [&] {
    test::write_text(dir / "a/notes.txt", "mine");
    fs::create_directories(dir / "a/sub/folder");
    test::write_text(dir / "a/sub/folder/deep", "mine too");
  });
  EXPECT_EQ(read_file(dir / "a/notes.txt"), "mine");
  EXPECT_EQ(read_file(dir / "a/sub/folder/deep"), "mine too");
  make({.overwrite = true, .inputs = {}, .keep_others = true}, "3", [] {});
  EXPECT_EQ(read_file(dir / "a/notes.txt"), "mine");
  EXPECT_EQ(read_file(dir / "a/marker.json.txt"), "3") << "the new artifact's own entry wins";
  EXPECT_EQ(entries(dir.path()), 1u);
}

TEST(AtomicDirectory, WhichEntriesAreOursFollowsTheMarker) {
  test::TempDir dir;
  const auto replaceable = [&](const std::string& marker, const std::string& head, const std::string& entry) {
    fs::remove_all(dir / "a");
    fs::create_directories(dir / "a" / entry);
    test::write_text(dir / "a" / marker, R"({"format": 1, "edgeclip": "0.1.0")" + head + "}");
    try {
      require_replaceable(dir / "a", marker, {.overwrite = true});
      return true;
    } catch (const InvalidInput&) {
      return false;
    }
  };
  EXPECT_FALSE(replaceable("gallery.json", "", "images"));
  EXPECT_FALSE(replaceable("gallery.json", "", "tokenizer"));
  EXPECT_FALSE(replaceable("dataset.json", "", "images"));
  EXPECT_TRUE(replaceable("dataset.json", R"(, "source": {"kind": "synthetic"})", "images"));
  EXPECT_FALSE(replaceable("dataset.json", "", "crops"));
  EXPECT_TRUE(replaceable("dataset.json", R"(, "source": {"crops_hash": "x"})", "crops"));
  EXPECT_TRUE(replaceable("plan.json", "", "tokenizer"));
  const std::string plan = R"(, "files": {"image.plan": {}})";
  EXPECT_TRUE(replaceable("plan.json", plan, "image.plan.packed-avx2"));
  EXPECT_FALSE(replaceable("plan.json", plan, "text.plan.packed-avx2"));
  EXPECT_FALSE(replaceable("plan.json", plan, "image.plan.packed-backup.zip"));
  EXPECT_FALSE(replaceable("plan.json", plan, "plan.json.packed-avx2"));
  EXPECT_FALSE(replaceable("plan.json", plan, "image.plan.bak"));
}

TEST(AtomicDirectory, ReplacesWhatALinkPointsTo) {
  test::TempDir dir;
  fs::create_directory(dir / "disk");
  fs::create_directory_symlink(dir / "disk", dir / "link");
  AtomicDirectory out(dir / "link", "marker.json");
  test::write_text(out.work() / "a", "x");
  out.commit();
  EXPECT_TRUE(fs::is_symlink(dir / "link"));
  EXPECT_EQ(read_file(dir / "disk/a"), "x");
}

TEST(AtomicDirectory, RefusesTheCurrentFolderAndInputsInsideAtOnce) {
  test::TempDir dir;
  fs::create_directories(dir / "a/images");
  test::write_text(dir / "a/marker.json", kHead);
  const auto message = [&](const fs::path& out, const fs::path& input) {
    return test::invalid_input_of([&] { AtomicDirectory(out, "marker.json", {true, {input}}); });
  };
  for (const char* input : {"a", "a/images", "a/images/../pictures"})
    EXPECT_NE(message(dir / "a", dir / input).find("would go with it"), std::string::npos) << input;
  fs::remove(dir / "a/images");
  EXPECT_NO_THROW(AtomicDirectory(dir / "a", "marker.json", {true, {dir / "ab"}}));
  const fs::path before = fs::current_path();
  fs::current_path(dir / "a");
  EXPECT_NE(message(".", "elsewhere").find("current folder"), std::string::npos);
  fs::current_path(before);
}

TEST(AtomicDirectory, AMarkerOfAnotherToolIsNone) {
  test::TempDir dir;
  for (const char* text : {R"({"model_type": "clip"})", R"({"format": 1})", "[1]", "no JSON", ""}) {
    fs::create_directories(dir / "theirs");
    test::write_text(dir / "theirs/config.json", text);
    EXPECT_NE(
        test::invalid_input_of([&] { AtomicDirectory(dir / "theirs", "config.json"); }).find("not replaced"),
        std::string::npos)
        << text;
    EXPECT_FALSE(is_artifact_head(dir / "theirs/config.json")) << text;
  }
}

TEST(ArtifactHead, SaysWhatToDoAboutAnotherFormat) {
  test::TempDir dir;
  test::write_text(dir / "h.json", R"({"format": 3, "edgeclip": "9"})");
  EXPECT_TRUE(is_artifact_head(dir / "h.json"));
  const auto message = [&](int format) {
    return test::invalid_input_of([&] { read_artifact_head(dir / "h.json", format, "make it again"); });
  };
  EXPECT_NE(message(2).find("update edgeclip"), std::string::npos);
  EXPECT_NE(message(4).find("make it again"), std::string::npos);
  EXPECT_EQ(read_artifact_head(dir / "h.json", 3, "").at("edgeclip"), "9");
  EXPECT_EQ(read_artifact_head(dir / "h.json", {2, 4}, "").at("edgeclip"), "9");
  EXPECT_NE(test::invalid_input_of([&] { read_artifact_head(dir / "h.json", {1, 2}, ""); }).find("newer than this build (2)"),
            std::string::npos);
  EXPECT_NE(test::invalid_input_of([&] { read_artifact_head(dir / "h.json", {4, 5}, ""); }).find("older than this build (4)"),
            std::string::npos);
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
  const std::string long_text(std::size_t{40} << 20, 'x');
  test::write_text(dir / "long", long_text);
  EXPECT_EQ(hash_file(dir / "long"), hash_text(long_text));
  test::write_text(dir / "empty", "");
  EXPECT_EQ(hash_file(dir / "empty"), hash_text(""));
  EXPECT_NE(hash_text("hello"), hash_text("hellp"));
}

}  // namespace
}  // namespace edgeclip
