#include "base/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>

#include "base/log.h"

namespace edgeclip {

namespace {

/// Of the terminal on stderr.
int terminal_columns() {
  constexpr int kUsual = 80;
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUsual;
}

}  // namespace

std::string format_duration(double seconds) {
  const auto s = static_cast<std::int64_t>(std::max(0.0, seconds) + 0.5);
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

std::string progress_line(const ProgressState& state, int columns) {
  constexpr int kBar = 24;
  const double rate = state.elapsed > 0 ? static_cast<double>(state.done) / state.elapsed : 0;
  std::string bar, rest;
  if (state.total > 0) {
    const double part = std::min(1.0, static_cast<double>(state.done) / static_cast<double>(state.total));
    const int filled = static_cast<int>(part * kBar);
    bar = " [" + std::string(static_cast<std::size_t>(filled), '#') +
          std::string(static_cast<std::size_t>(kBar - filled), '.') + "]";
    rest = fmt::format(" {}/{} {}", state.done, state.total, state.unit);
  } else {
    rest = fmt::format(" {} {}", state.done, state.unit);
  }
  rest += fmt::format(", {:.{}f}/s", rate, rate < 10 ? 2 : 0);
  if (state.last)
    rest += ", took " + format_duration(state.elapsed);
  else if (state.total > 0 && rate > 0)
    rest += ", " + format_duration(static_cast<double>(state.total - state.done) / rate) + " left";
  if (!state.note.empty()) rest += ", " + state.note;
  if (columns <= 0) return state.label + rest;
  const auto room = static_cast<std::size_t>(columns - 1);  // the last column wraps on some terminals
  if (state.label.size() + bar.size() + rest.size() <= room) return state.label + bar + rest;
  return (state.label + rest).substr(0, room);
}

bool progress_due(double elapsed, double since_drawn, bool terminal) {
  if (terminal) return since_drawn >= 0.1;
  return since_drawn >= std::max(10.0, (elapsed - since_drawn) / 20);
}

Progress::Progress(std::string label, std::int64_t total, std::string unit)
    : terminal_(::isatty(STDERR_FILENO) != 0),
      start_(Clock::now()),
      drawn_(start_),
      exceptions_(std::uncaught_exceptions()) {
  state_.label = std::move(label);
  state_.unit = std::move(unit);
  state_.total = total;
}

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
  state_.done += n;
  if (!note.empty()) state_.note = note;
  const auto now = Clock::now();
  const auto seconds = [&](Clock::time_point since) { return std::chrono::duration<double>(now - since).count(); };
  if (!progress_due(seconds(start_), seconds(drawn_), terminal_)) return;
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
  state_.elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
  state_.last = last;
  if (terminal_)
    std::fprintf(stderr, "\r\033[K%s%s", progress_line(state_, terminal_columns()).c_str(), last ? "\n" : "");
  else
    spdlog::info("{}", progress_line(state_, 0));
  std::fflush(stderr);
}

}  // namespace edgeclip
