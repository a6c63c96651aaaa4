#include "base/output_claim.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/artifact.h"
#include "base/atomic_output.h"
#include "base/error.h"
#include "base/file.h"
#include "support/support.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

std::size_t entries(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

const char* const kHead = R"({"format": 1, "edgeclip": "0.1.0"})";

void write_artifact(const fs::path& path, const std::string& text) {
  AtomicDirectory out(path, "marker.json", {.overwrite = true});
  test::write_text(out.work() / "marker.json",
                   R"({"format": 1, "edgeclip": "0.1.0", "files": {"text": {}}})");
  test::write_text(out.work() / "text", text);
  out.commit();
}

TEST(OutputClaim, ASecondWriterIsToldAtItsStart) {
  test::TempDir dir;
  const auto busy = [](const std::function<void()>& body) {
    return test::invalid_input_of(body).find("another process is writing it") != std::string::npos;
  };
  {
    AtomicDirectory folder(dir / "folder", "marker.json");
    EXPECT_TRUE(busy([&] { AtomicDirectory(dir / "folder/", "marker.json"); }));
    AtomicFile file(dir / "file");
    EXPECT_TRUE(busy([&] { AtomicFile(dir / "file"); }));
    OutputClaim run(dir / "run");
    EXPECT_TRUE(busy([&] { OutputClaim(dir / "sub/../run/"); }));
    EXPECT_NO_THROW(OutputClaim(dir / "other"));
  }
  EXPECT_EQ(entries(dir.path()), 0u) << "no lock stays behind";
}

TEST(OutputClaim, TheClaimOfAKilledProcessIsSwept) {
  test::TempDir dir;
  const pid_t child = ::fork();
  if (child == 0) {
    AtomicDirectory folder(dir / "folder", "marker.json");
    test::write_text(folder.work() / "half", "x");
    AtomicFile file(dir / "file");
    file.write("half");
    ::raise(SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(entries(dir.path()), 2u) << "what it left";
  write_artifact(dir / "folder", "whole");
  AtomicFile file(dir / "file");
  file.write("whole");
  file.commit();
  EXPECT_EQ(read_file(dir / "file"), "whole");
  EXPECT_EQ(read_file(dir / "folder/text"), "whole");
  EXPECT_EQ(entries(dir.path()), 2u) << "nothing else";
}

TEST(OutputClaim, WritersOfOneOutputNeverMixTheirs) {
  test::TempDir dir;
  constexpr int kWriters = 6, kRounds = 20;
  std::vector<std::thread> writers;
  std::atomic<int> written{0};
  for (int w = 0; w < kWriters; ++w)
    writers.emplace_back([&, w] {
      for (int round = 0; round < kRounds; ++round) try {
          AtomicDirectory out(dir / "a", "marker.json", {.overwrite = true});
          const std::string text = std::to_string(w * 1000 + round);
          for (const char* name : {"x", "y", "z"}) test::write_text(out.work() / name, text);
          test::write_text(out.work() / "marker.json",
                           R"({"format": 1, "edgeclip": "0.1.0", "files": {"x": {}, "y": {}, "z": {}}})");
          out.commit();
          ++written;
        } catch (const InvalidInput&) {  // another one has it
        }
    });
  for (auto& writer : writers) writer.join();
  EXPECT_GT(written, 0);
  EXPECT_EQ(entries(dir.path()), 1u);
  EXPECT_EQ(entries(dir / "a"), 4u);
  EXPECT_EQ(read_file(dir / "a/x"), read_file(dir / "a/y"));
  EXPECT_EQ(read_file(dir / "a/x"), read_file(dir / "a/z"));
}

TEST(OutputClaim, AReplacementCutOffBetweenItsRenamesIsUndone) {
  test::TempDir dir;
  const auto cut_off = [&] {  // as a process leaves it that is killed between its two renames
    write_artifact(dir / "a", "old");
    fs::rename(dir / "a", parked_of(dir / "a"));
    fs::create_directory(temporary_of(dir / "a"));
    test::write_text(temporary_of(dir / "a") / "text", "new");
  };
  cut_off();
  require_directory(dir / "a", "artifact");  // every opening asks
  EXPECT_EQ(read_file(dir / "a/text"), "old");
  fs::remove_all(dir / "a");
  cut_off();
  write_artifact(dir / "a", "third");
  EXPECT_EQ(read_file(dir / "a/text"), "third");
  EXPECT_EQ(entries(dir.path()), 1u);
}

TEST(OutputClaim, WhatAKilledReportLeftInAFolderIsNobodysFile) {
  test::TempDir dir;
  write_artifact(dir / "a", "1");
  test::write_text(temporary_of(dir / "a/report.json"), "half");
  write_artifact(dir / "a", "2");
  EXPECT_EQ(entries(dir / "a"), 2u);
}

TEST(OutputClaim, ALongNameHasAClaimToo) {
  test::TempDir dir;
  const std::string name(255, 'n');
  AtomicFile file(dir / name);
  file.commit();
  EXPECT_TRUE(fs::exists(dir / name));
  write_artifact(dir / std::string(250, 'f'), "x");
  EXPECT_EQ(entries(dir.path()), 2u);
}

TEST(OutputClaim, AFileWhereAFolderWasMadeAndTheOtherWayRound) {
  test::TempDir dir;
  fs::create_directories(temporary_of(dir / "a") / "deep");
  test::write_text(temporary_of(dir / "b"), "half");
  AtomicFile file(dir / "a");
  file.commit();
  write_artifact(dir / "b", "x");
  EXPECT_EQ(entries(dir.path()), 2u);
}

}  // namespace
}  // namespace edgeclip
