#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>

#include <utility>

namespace edgeclip {

namespace {
bool g_quiet = false;
thread_local WarningSink* t_sink = nullptr;
}  // namespace

void init_logging(bool quiet) {
  g_quiet = quiet;
  spdlog::drop("edgeclip");
  auto logger = spdlog::stderr_color_mt("edgeclip");
  logger->set_pattern("%H:%M:%S %^%-7l%$ %v");
  logger->set_level(quiet ? spdlog::level::warn : spdlog::level::info);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(logger);
}

void leave_logging_to_others() {
  g_quiet = true;
  spdlog::set_level(spdlog::level::err);
}

bool logging_quiet() { return g_quiet; }

WarningSink::WarningSink(std::function<void(const std::string&)> take)
    : take_(std::move(take)), outer_(t_sink) {
  t_sink = this;
}
WarningSink::~WarningSink() { t_sink = outer_; }

void warn(const std::string& message) {
  if (t_sink == nullptr)
    spdlog::warn("{}", message);
  else if (t_sink->take_)
    t_sink->take_(message);
}

}  // namespace edgeclip
