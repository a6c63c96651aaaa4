// Pages of mapped files that are given back come again.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "support/support.h"

namespace edgeclip {
namespace {

/// Pages of the range that are in this process's page tables.
std::size_t resident(const std::byte* data, std::size_t size) {
  std::size_t bytes = 0;
  std::FILE* maps = std::fopen("/proc/self/smaps", "r");
  char line[512];
  bool inside = false;
  while (std::fgets(line, sizeof line, maps)) {
    unsigned long from = 0, to = 0, kb = 0;
    if (std::sscanf(line, "%lx-%lx ", &from, &to) == 2)
      inside = from == reinterpret_cast<unsigned long>(data) && to >= from + size;
    else if (inside && std::sscanf(line, "Rss: %lu kB", &kb) == 1)
      bytes = kb * 1024;
  }
  std::fclose(maps);
  return bytes;
}

TEST(MappedFile, GivesPagesBackAndReadsThemAgain) {
  const test::TempDir dir;
  const std::string text(1 << 20, 'x');
  test::write_text(dir / "f", text + "end");
  const MappedFile file(dir / "f");
  std::size_t sum = 0;
  for (std::size_t i = 0; i < file.size(); ++i) sum += static_cast<std::size_t>(file.data()[i]);
  const std::size_t before = resident(file.data(), file.size());
  EXPECT_GE(before, text.size());
  drop_mapped_pages(file.data() + 100, text.size() / 2);
  EXPECT_LE(resident(file.data(), file.size()), before - text.size() / 2 + 3 * 4096);
  std::size_t again = 0;
  for (std::size_t i = 0; i < file.size(); ++i) again += static_cast<std::size_t>(file.data()[i]);
  EXPECT_EQ(again, sum);
}

TEST(MappedFile, LeavesOtherMemoryAlone) {
  std::vector<std::byte> mine(1 << 16, std::byte{7});
  drop_mapped_pages(mine.data(), mine.size());
  for (const std::byte b : mine) ASSERT_EQ(b, std::byte{7});
  const test::TempDir dir;
  test::write_text(dir / "f", std::string(1 << 16, 'x'));
  const std::byte* gone = nullptr;
  {
    const MappedFile file(dir / "f");
    gone = file.data();
    drop_mapped_pages(file.data(), file.size() + 4096);  // reaches beyond it: not of this file
  }
  drop_mapped_pages(gone, 1 << 16);  // unmapped by now
}

}  // namespace
}  // namespace edgeclip
