#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>

namespace edgeclip {

namespace {
bool g_quiet = false;
}

void init_logging(bool quiet) {
  g_quiet = quiet;
  spdlog::drop("edgeclip");
  auto logger = spdlog::stderr_color_mt("edgeclip");
  logger->set_pattern("%H:%M:%S %^%-7l%$ %v");
  logger->set_level(quiet ? spdlog::level::warn : spdlog::level::info);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(logger);
}

bool logging_quiet() { return g_quiet; }

}  // namespace edgeclip
