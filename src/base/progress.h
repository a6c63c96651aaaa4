#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace edgeclip {

/// Progress on stderr: on a terminal one line redrawn in place (bar, rate, time left), elsewhere a plain line
/// at most every ten seconds and one at the end.  Silent with --quiet.  Thread-safe.
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

  const std::string label_, unit_;
  const std::int64_t total_;
  const bool terminal_;
  std::mutex mutex_;
  std::string note_;
  std::int64_t done_ = 0;
  Clock::time_point start_, drawn_;
  bool finished_ = false;
  const int exceptions_;  ///< in flight when this began
};

/// "1:02:03", "4:05", "12 s".
std::string format_duration(double seconds);

}  // namespace edgeclip
