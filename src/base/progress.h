#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace edgeclip {

/// Where a piece of work stands, as its line says it.
struct ProgressState {
  std::string label, unit, note;
  std::int64_t done = 0, total = 0;  ///< total 0: unknown
  double elapsed = 0;                ///< seconds
  bool last = false;                 ///< how long it took instead of what is left
};

/// "train [######..] 12/48 steps, 3.2/s, 0:11 left, loss 2.31".  columns: of the terminal, for which the bar goes
/// first and then the line's end, since a line that wraps cannot be drawn again; 0: no terminal, no bar.
std::string progress_line(const ProgressState& state, int columns);

/// Whether to draw again, all in seconds: on a terminal ten times a second; elsewhere every ten seconds, and in
/// a long work whenever it has gone on for a twentieth more, so that a log of a day has some two hundred lines.
bool progress_due(double elapsed, double since_drawn, bool terminal);

/// Progress on stderr: on a terminal one line redrawn in place (bar, rate, time left), elsewhere a plain line
/// now and then (progress_due()) and one at the end.  Silent with --quiet.  Thread-safe.
class Progress {
 public:
  /// total 0: unknown, only count and rate are shown.  unit: "images", "steps", ...
  Progress(std::string label, std::int64_t total, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// note: a short text at the end of the line ("loss 2.31").
  void advance(std::int64_t n = 1, const std::string& note = {});
  /// Draws the last state and ends the line; the destructor does it too, but not on the way out of an error,
  /// whose message is then the only line.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  void draw(bool last);

  const bool terminal_;
  std::mutex mutex_;
  ProgressState state_;
  Clock::time_point start_, drawn_;
  bool finished_ = false;
  const int exceptions_;  ///< in flight when this began
};

/// "1:02:03", "4:05", "12 s".
std::string format_duration(double seconds);

}  // namespace edgeclip
