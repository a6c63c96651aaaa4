#pragma once

#include <spdlog/spdlog.h>

namespace edgeclip {

/// Sends spdlog's default logger to stderr ("12:34:56 info  message"), so that results keep stdout to
/// themselves. quiet: warnings and errors only.  Call once at start-up.
void init_logging(bool quiet);

/// True between init_logging(true) and the end: progress is silent as well.
bool logging_quiet();

}  // namespace edgeclip
