#include "engine/runtime/log.h"

#include "base/log.h"

namespace edgeclip::engine {

namespace {

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    default:
      return spdlog::level::info;
  }
}

}  // namespace

void log_message(const LogCallback& log, LogLevel level, const std::string& message) {
  if (log)
    log(level, message);
  else
    spdlog::log(spdlog_level(level), "{}", message);
}

bool log_wanted(const LogCallback& log, LogLevel level) {
  return log != nullptr || spdlog::should_log(spdlog_level(level));
}

LogCallback silent_log() {
  return [](LogLevel, const std::string&) {};
}

}  // namespace edgeclip::engine
