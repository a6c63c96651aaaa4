#include "cli/workshop/compress_report/subprocess.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>

#include "base/error.h"
#include "base/io_error.h"
#include "base/owned_fd.h"
#include "base/signals.h"

namespace edgeclip::compress_report {

namespace {

/// After fork(), with other threads' locks in whatever state: calls that are safe in a signal handler alone.
[[noreturn]] void become(const char* program, char* const* arguments, int log, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(kInterrupted);  // it died before we asked
  const int null = ::open("/dev/null", O_RDONLY);
  if (null >= 0) ::dup2(null, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::execv(program, arguments);
  ::_exit(127);
}

int wait_for(pid_t child) {
  bool passed_on = false;
  int status = 0;
  const timespec moment{0, 20'000'000};
  while (true) {
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) break;
    if (ended < 0 && errno != EINTR) throw MachineFault(fmt::format("waiting for a command: {}", std::strerror(errno)));
    if (interrupted() && !passed_on) {
      ::kill(child, SIGTERM);
      passed_on = true;
    }
    ::nanosleep(&moment, nullptr);
  }
  throw_if_interrupted();
  return status;
}

}  // namespace

std::filesystem::path own_program() { return std::filesystem::read_symlink("/proc/self/exe"); }

std::filesystem::path edge_program() {
  // PREFIX/libexec/edgeclip/edgeclip-workshop and PREFIX/bin/edgeclip-edge.
  const std::filesystem::path own = own_program(), edge = own.parent_path().parent_path().parent_path() / "bin/edgeclip-edge";
  return ::access(edge.c_str(), X_OK) == 0 ? edge : own;
}

int run_program(const std::filesystem::path& program, const std::vector<std::string>& arguments, const std::filesystem::path& log) {
  const OwnedFd file(::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.get() < 0) throw_io_error(log, "cannot be written", errno, "choose another --out");
  std::vector<char*> argv = {const_cast<char*>("edgeclip")};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) throw MachineFault(fmt::format("{}: cannot be started: {}; close other programs", arguments.front(), std::strerror(errno)));
  if (child == 0) become(program.c_str(), argv.data(), file.get(), parent);
  const int status = wait_for(child);
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  throw MachineFault(fmt::format("{} was ended by signal {} ({}){}", arguments.front(), WTERMSIG(status), ::strsignal(WTERMSIG(status)),
                                 WTERMSIG(status) == SIGKILL ? "; the machine may be short of memory" : ""));
}

}  // namespace edgeclip::compress_report
