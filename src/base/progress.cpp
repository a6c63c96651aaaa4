#include "base/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>

#include "base/log.h"

namespace edgeclip {

std::string format_duration(double seconds) {
  const auto s = static_cast<std::int64_t>(std::max(0.0, seconds) + 0.5);
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

Progress::Progress(std::string label, std::int64_t total, std::string unit)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      terminal_(::isatty(STDERR_FILENO) != 0),
      start_(Clock::now()),
      drawn_(start_),
      exceptions_(std::uncaught_exceptions()) {}

Progress::~Progress() {
  if (std::uncaught_exceptions() == exceptions_) {
    try {
      finish();
    } catch (const std::exception&) {  // no memory for the line: nothing is lost by it
    }
  } else if (terminal_ && !logging_quiet()) {
    std::fputs("\r\033[K", stderr);  // a line half drawn
  }
}

void Progress::advance(std::int64_t n, const std::string& note) {
  std::lock_guard lock(mutex_);
  done_ += n;
  if (!note.empty()) note_ = note;
  const auto now = Clock::now();
  if (now - drawn_ < (terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(10'000))) return;
  drawn_ = now;
  draw(false);
}

void Progress::finish() {
  std::lock_guard lock(mutex_);
  if (finished_) return;
  finished_ = true;
  draw(true);
}

void Progress::draw(bool last) {
  if (logging_quiet()) return;
  const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
  const double rate = elapsed > 0 ? static_cast<double>(done_) / elapsed : 0;
  std::string line = label_;
  if (total_ > 0) {
    const double part = std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
    if (terminal_) {
      const int filled = static_cast<int>(part * 24);
      line += " [" + std::string(static_cast<std::size_t>(filled), '#') +
              std::string(static_cast<std::size_t>(24 - filled), '.') + "]";
    }
    line += fmt::format(" {}/{} {}", done_, total_, unit_);
  } else {
    line += fmt::format(" {} {}", done_, unit_);
  }
  line += fmt::format(", {:.{}f}/s", rate, rate < 10 ? 2 : 0);
  if (last)
    line += ", took " + format_duration(elapsed);
  else if (total_ > 0 && rate > 0)
    line += ", " + format_duration(static_cast<double>(total_ - done_) / rate) + " left";
  if (!note_.empty()) line += ", " + note_;
  if (terminal_)
    std::fprintf(stderr, "\r\033[K%s%s", line.c_str(), last ? "\n" : "");
  else
    spdlog::info("{}", line);
  std::fflush(stderr);
}

}  // namespace edgeclip
