#include "base/append_log.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/file.h"
#include "support/support.h"

namespace edgeclip {
namespace {

std::vector<std::string> records_of(const std::filesystem::path& path) {
  std::vector<std::string> records;
  const AppendLog log(path, [&](std::string_view record) { records.emplace_back(record); });
  return records;
}

const std::vector<std::string> kRecords = {"first", "", std::string("with\0zero", 9), std::string(5000, 'x')};

TEST(AppendLog, GivesBackWholeRecordsWhereverItWasCutOff) {
  const test::TempDir dir;
  std::vector<std::size_t> ends = {0};
  {
    AppendLog log(dir / "log", [](std::string_view) { FAIL(); });
    for (const std::string& record : kRecords) {
      log.append(record);
      ends.push_back(static_cast<std::size_t>(log.bytes()));
    }
    log.sync();
  }
  const std::string whole = read_file(dir / "log");
  EXPECT_EQ(whole.size(), ends.back());
  for (std::size_t length = 0; length <= whole.size(); length += length < 200 ? 1 : 97) {
    test::write_text(dir / "cut", whole.substr(0, length));
    std::vector<std::string> expected;
    for (std::size_t k = 0; k < kRecords.size() && ends[k + 1] <= length; ++k) expected.push_back(kRecords[k]);
    ASSERT_EQ(records_of(dir / "cut"), expected) << length;
    ASSERT_EQ(std::filesystem::file_size(dir / "cut"), ends[expected.size()]) << "the rest is cut off";
  }
}

TEST(AppendLog, GoesOnBehindTheLastWholeRecord) {
  const test::TempDir dir;
  AppendLog(dir / "log", [](std::string_view) {}).append("one");
  test::write_text(dir / "log", read_file(dir / "log") + "half of a record");
  AppendLog(dir / "log", [](std::string_view) {}).append("two");
  EXPECT_EQ(records_of(dir / "log"), (std::vector<std::string>{"one", "two"}));
}

TEST(AppendLog, ADamagedRecordEndsIt) {
  const test::TempDir dir;
  {
    AppendLog log(dir / "log", [](std::string_view) {});
    for (const char* record : {"one", "two", "three"}) log.append(record);
  }
  std::string bytes = read_file(dir / "log");
  bytes[bytes.find("two")] = 'T';
  test::write_text(dir / "log", bytes);
  EXPECT_EQ(records_of(dir / "log"), std::vector<std::string>{"one"});
}

TEST(AppendLog, NamesWhatCannotBeOpened) {
  const test::TempDir dir;
  EXPECT_NE(test::invalid_input_of([&] { AppendLog(dir / "none/log", [](std::string_view) {}); }).find("none/log"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip
