#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <thread>

#include "base/cgroup.h"
#include "base/file.h"
#include "base/io_error.h"
#include "base/mapped_file.h"
#include "base/npy.h"
#include "base/process_metrics.h"
#include "base/report_file.h"
#include "support/support.h"

/// What is the machine's and what is the file's.
namespace edgeclip {
namespace {

namespace fs = std::filesystem;

TEST(IoError, MachinesFaultsAreTellApartFromWrongPaths) {
  for (const int error : {EMFILE, ENFILE, ENOMEM, EIO, ESTALE, ENOSPC, EDQUOT}) {
    EXPECT_TRUE(is_machine_error(error));
    EXPECT_THROW(throw_io_error("f", "cannot be read", error), MachineFault);
  }
  for (const int error : {ENOENT, EACCES, ENOTDIR, EISDIR, ELOOP, ENAMETOOLONG, EROFS})
    EXPECT_THROW(throw_io_error("f", "cannot be read", error), InvalidInput);
  const auto fault = [](auto thrown) { return is_machine_fault(std::make_exception_ptr(thrown)); };
  EXPECT_TRUE(fault(MachineFault("x")));
  EXPECT_TRUE(fault(std::bad_alloc()));
  EXPECT_TRUE(fault(std::system_error(EAGAIN, std::generic_category())));
  EXPECT_FALSE(fault(InvalidInput("x")));
  EXPECT_FALSE(fault(std::system_error(ENOENT, std::generic_category())));
  EXPECT_FALSE(is_machine_fault(nullptr));
}

TEST(IoError, NoDescriptorIsTheMachinesFaultForEveryReader) {
  test::TempDir dir;
  test::write_text(dir / "f", "x");
  struct rlimit before {
  }, none{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  none = before;
  none.rlim_cur = 0;
  ::setrlimit(RLIMIT_NOFILE, &none);
  EXPECT_THROW(read_file(dir / "f"), MachineFault);
  EXPECT_THROW(MappedFile(dir / "f"), MachineFault);
  EXPECT_THROW(read_npy(dir / "f"), MachineFault);
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(read_file(dir / "f"), "x");
}

TEST(ReadFile, HasALimit) {
  test::TempDir dir;
  test::write_text(dir / "f", std::string(2 << 20, 'x'));
  EXPECT_EQ(read_file(dir / "f", 2 << 20).size(), std::size_t{2} << 20);
  EXPECT_NE(test::invalid_input_of([&] { read_file(dir / "f", 1 << 20); }).find("longer than 1 MiB"),
            std::string::npos);
  EXPECT_NE(test::invalid_input_of([&] { read_file("/dev/zero", 1 << 20); }).find("longer than 1 MiB"),
            std::string::npos);
}

TEST(ReadFile, ReadsAPipeToItsEnd) {
  test::TempDir dir;
  ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0600), 0);
  std::thread writer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    test::write_text(dir / "pipe", std::string(300000, 'x'));
  });
  EXPECT_EQ(read_file(dir / "pipe").size(), 300000u);
  writer.join();
}

TEST(ReportFile, ReplacesItsOwnKindAndNothingElse) {
  test::TempDir dir;
  const auto refused = [&](ReportKind kind, const std::string& text) {
    test::write_text(dir / "f", text);
    try {
      require_report_output(dir / "f", kind);
      return false;
    } catch (const InvalidInput&) {
      return true;
    }
  };
  const std::string report = "{\n  \"command\": \"bench\",\n  \"program\": \"edgeclip-edge\"\n}";
  EXPECT_FALSE(refused(ReportKind::kJson, report));
  EXPECT_TRUE(refused(ReportKind::kJson, "[{\"id\": 1}]"));
  EXPECT_TRUE(refused(ReportKind::kJson, "split,id\n"));
  EXPECT_FALSE(refused(ReportKind::kJson, ""));
  EXPECT_FALSE(refused(ReportKind::kCsv, "rank,score,path,id,caption\n1,0.5,a,,\n"));
  EXPECT_TRUE(refused(ReportKind::kCsv, "path,id\n"));
  EXPECT_FALSE(refused(ReportKind::kNpy, "\x93NUMPY"));
  EXPECT_TRUE(refused(ReportKind::kPng, "\x89PNG\r\n\x1A\n of a camera"));
  EXPECT_TRUE(refused(ReportKind::kHtml, "<html><head><title>mine</title></head></html>"));
  EXPECT_FALSE(refused(ReportKind::kHtml, "<head><meta name=\"generator\" content=\"edgeclip\">"));
  EXPECT_NO_THROW(require_report_output(dir / "new", ReportKind::kJson));
  EXPECT_NO_THROW(require_report_output("/dev/null", ReportKind::kJson));
  test::write_text(dir / "f", report);
  fs::create_hard_link(dir / "f", dir / "same");
  EXPECT_NE(test::invalid_input_of([&] {
              require_report_output(dir / "f", ReportKind::kJson, {"", (dir / "same").string()});
            }).find("also an input"),
            std::string::npos);
}

TEST(Cgroup, TheTightestLimitOfTheGroupsAboveCounts) {
  test::TempDir dir;
  fs::create_directories(dir / "mount/a/b");
  test::write_text(dir / "self", "1:name=x:/elsewhere\n0::/a/b\n");
  test::write_text(dir / "mount/a/memory.max", "1000000\n");
  test::write_text(dir / "mount/a/b/memory.max", "max\n");
  test::write_text(dir / "mount/a/cpu.max", "400000 100000\n");
  test::write_text(dir / "mount/a/b/cpu.max", "150000 100000\n");
  EXPECT_EQ(detail::cgroup_memory_limit(dir / "mount", dir / "self"), 1000000);
  EXPECT_EQ(detail::cgroup_cpu_limit(dir / "mount", dir / "self"), 1.5);
  EXPECT_FALSE(detail::cgroup_memory_limit(dir / "none", dir / "self"));
  EXPECT_FALSE(detail::cgroup_cpu_limit(dir / "none", dir / "none"));
  // Version 1, where the container sees its own group at the top.
  fs::create_directories(dir / "v1/memory");
  test::write_text(dir / "self1", "4:memory:/docker/x\n");
  test::write_text(dir / "v1/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_FALSE(detail::cgroup_memory_limit(dir / "v1", dir / "self1"));
  test::write_text(dir / "v1/memory/memory.limit_in_bytes", "536870912\n");
  EXPECT_EQ(detail::cgroup_memory_limit(dir / "v1", dir / "self1"), 536870912);
}

TEST(ProcessMetrics, TellAnonymousFromMappedMemory) {
  const ResidentMemory before = resident_memory();
  std::vector<char> own(64 << 20, 1);
  const ResidentMemory after = resident_memory();
  EXPECT_GT(after.anonymous, before.anonymous + (48 << 20));
  EXPECT_LT(after.mapped, before.mapped + (16 << 20));
  EXPECT_GT(after.mapped, 0);
  EXPECT_EQ(own[12345], 1);
}

}  // namespace
}  // namespace edgeclip
