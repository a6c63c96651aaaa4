#pragma once

#include <functional>
#include <string>

namespace edgeclip::engine {

enum class LogLevel { kDebug, kInfo, kWarning };

/// Takes a message of the engine: one line, without its end.  Called by the thread that is in the engine, so
/// by several at once where contexts of a session are used by several; must not throw, nor call the engine.
using LogCallback = std::function<void(LogLevel level, const std::string& message)>;

/// To the callback, or where there is none to spdlog's default logger (base/log.h: standard error).
void log_message(const LogCallback& log, LogLevel level, const std::string& message);

/// Whether a message of this level is seen by anybody: a callback sees all.
bool log_wanted(const LogCallback& log, LogLevel level);

/// Takes messages and says nothing.
LogCallback silent_log();

}  // namespace edgeclip::engine
