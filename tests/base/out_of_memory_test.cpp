#include "base/out_of_memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <thread>

#include "base/atomic_output.h"
#include "base/error.h"
#include "support/support.h"

/// What ends without a destructor, and what cleans up without memory.
namespace edgeclip {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLine = "^edgeclip: error: out of memory; [^\n]*\n$";

std::size_t entries_of(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

/// From here on next to no memory is given.
void take_memory() {
  const struct rlimit none { 1, 1 };
  ::setrlimit(RLIMIT_DATA, &none);
}

template <class Error>
void throw_in_thread(const Error& error) {
  std::thread([&] { throw error; }).join();
}

/// A folder and a file that are being made, one of each that is there already; then end().
template <class End>
void end_amid_outputs(const fs::path& place, End end) {
  install_out_of_memory_handlers();
  AtomicFile before(place / "before");
  before.commit();
  AtomicDirectory folder(place / "folder", "marker");
  fs::create_directories(folder.work() / "a/b");
  test::write_text(folder.work() / "a/b/c", "x");
  AtomicFile inside(folder.work() / "inside"), file(place / "new/parents/file");
  end();
}

TEST(OutOfMemory, AnExceptionThatMayNotPassEndsInOneLine) {
  test::TempDir dir;
  EXPECT_EXIT(end_amid_outputs(dir.path(), [] { throw_in_thread(std::bad_alloc()); }),
              testing::ExitedWithCode(kMachineFault), kLine);
  EXPECT_EQ(entries_of(dir.path()), 2u) << "before, and the parents of file";
  EXPECT_TRUE(fs::exists(dir / "before"));
  EXPECT_EQ(entries_of(dir / "new/parents"), 0u);
  EXPECT_EXIT(
      end_amid_outputs(dir.path(), [] { throw_in_thread(std::runtime_error("Insufficient memory")); }),
      testing::ExitedWithCode(kMachineFault), kLine);
}

TEST(OutOfMemory, AnyOtherExceptionEndsAsItWould) {
  test::TempDir dir;
  EXPECT_EXIT(end_amid_outputs(dir.path(), [] { throw_in_thread(std::runtime_error("a bug")); }),
              testing::KilledBySignal(SIGABRT), "a bug");
}

#if !defined(__SANITIZE_ADDRESS__)  // which needs memory of its own

TEST(OutOfMemory, ANullPointerOfALibraryEndsInOneLine) {
  test::TempDir dir;
  EXPECT_EXIT(end_amid_outputs(dir.path(),
                               [] {
                                 take_memory();
                                 ::raise(SIGSEGV);  // its address is that of no memory: null
                               }),
              testing::ExitedWithCode(kMachineFault), kLine);
  EXPECT_EQ(entries_of(dir.path()), 2u);
  EXPECT_EXIT(end_amid_outputs(dir.path(), [] { ::raise(SIGSEGV); }), testing::KilledBySignal(SIGSEGV), "");
}

TEST(OutOfMemory, AStartThatWaitsForMemoryEnds) {
  EXPECT_EXIT(
      {
        guard_start();
        take_memory();
        for (;;) ::pause();
      },
      testing::ExitedWithCode(kMachineFault), kLine);
}

TEST(OutOfMemory, AnAbandonedFolderNeedsNoneToGo) {
  test::TempDir dir;
  EXPECT_EXIT(
      {
        {
          AtomicDirectory folder(dir / "new/out", "marker");
          for (int i = 0; i < 300; ++i) test::write_text(folder.work() / std::to_string(i), "x");
          take_memory();
          while (std::malloc(1 << 10) != nullptr) {
          }
          while (std::malloc(1) != nullptr) {
          }
        }
        ::_exit(0);
      },
      testing::ExitedWithCode(0), "");
  EXPECT_EQ(entries_of(dir.path()), 0u);
}

#endif

}  // namespace
}  // namespace edgeclip
