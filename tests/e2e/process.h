#pragma once

#include <sys/types.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

/// Running built programs from tests.
namespace edgeclip::test {

struct ProcessResult {
  int code = -1;  ///< exit code; 128 + n for a signal n
  std::string out, err;
};

/// A child process whose stdout and stderr go to files of its own.
class Process {
 public:
  explicit Process(const std::vector<std::string>& command);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  void signal(int number);
  bool running();
  /// Waits until the process has a handler for the signal (LibTorch alone takes a second to load), at most a
  /// minute.  False if it never has.
  bool wait_until_it_handles(int number);
  ProcessResult wait();

 private:
  pid_t pid_ = -1;
  int status_ = 0;
  std::filesystem::path folder_;
};

ProcessResult run(const std::vector<std::string>& command);

/// The commands that a program's own help lists.
std::vector<std::string> listed_commands(const std::string& program);

/// Paths of everything below folder, hidden files included.
std::set<std::string> listing(const std::filesystem::path& folder);

/// $EDGECLIP_E2E_WORK: where the pipeline leaves its files.
std::filesystem::path work();

}  // namespace edgeclip::test
