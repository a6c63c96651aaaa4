#pragma once

#include <spdlog/spdlog.h>

#include <functional>
#include <string>

namespace edgeclip {

/// Sends spdlog's default logger to stderr ("12:34:56 info  message"), so that results keep stdout to
/// themselves. quiet: warnings and errors only.  Call once at start-up.
void init_logging(bool quiet);

/// True between init_logging(true) and the end: progress is silent as well.
bool logging_quiet();

/// Errors only from here on, and no progress: for a process whose companion says the same.
void leave_logging_to_others();

/// A warning of code that is part of the shared libraries too, which write nothing anywhere: to the
/// WarningSink of the calling thread, or without one to spdlog's default logger.
void warn(const std::string& message);

/// Takes the warnings of this thread for as long as it lives; the innermost does.
class WarningSink {
 public:
  /// take: null for nobody.  Must not throw.
  explicit WarningSink(std::function<void(const std::string&)> take);
  ~WarningSink();
  WarningSink(const WarningSink&) = delete;
  WarningSink& operator=(const WarningSink&) = delete;

 private:
  friend void warn(const std::string& message);
  const std::function<void(const std::string&)> take_;
  WarningSink* const outer_;
};

}  // namespace edgeclip
