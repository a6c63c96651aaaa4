#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

/// Three error channels and one exit point: what the user can mend is an InvalidInput, what the machine lacks
/// is a MachineFault, what is our bug is a failed EDGECLIP_CHECK; nothing but run_program() in cli/ catches
/// and prints them.
namespace edgeclip {

enum ExitCode {
  kDone = 0,
  kInternalError = 1,
  kInvalidInput = 2,
  kCheckNotMet = 3,
  kMachineFault = 4,
  kInterrupted = 130
};

/// The user's fault (usage, input, file): the message names the file, the place and the remedy in one line.
/// Exit 2.
struct InvalidInput : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The machine's fault (memory, disk, descriptors, I/O): the same command may succeed elsewhere or later, so
/// no policy for bad inputs may take it for one.  Exit 4; what was finished before is kept.  base/io_error.h
/// tells which error numbers are such.  std::bad_alloc is the same thing where nobody has made it one.
struct MachineFault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A check that the user asked for was not met (verify outside tolerance, ...).  Exit 3.
struct CheckNotMet : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// SIGINT, SIGTERM or SIGHUP arrived.  Exit 130; whatever was finished before is kept.
struct Interrupted : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A broken promise of our own code.  Exit 1.
struct InternalError : std::logic_error {
  using std::logic_error::logic_error;
};

/// Throws InvalidInput with a formatted message.
template <class... Args>
[[noreturn]] void invalid_input(fmt::format_string<Args...> format, Args&&... args) {
  throw InvalidInput(fmt::format(format, std::forward<Args>(args)...));
}

namespace detail {
[[noreturn]] void check_failed(const char* file, int line, const char* condition, const std::string& message);
}

}  // namespace edgeclip

/// CHECK of a promise our own code makes; the optional rest is a fmt format and its arguments.
#define EDGECLIP_CHECK(condition, ...)                                                                 \
  do {                                                                                                 \
    if (!(condition)) [[unlikely]]                                                                     \
      ::edgeclip::detail::check_failed(__FILE__, __LINE__, #condition, ::fmt::format("" __VA_ARGS__)); \
  } while (false)
