#pragma once

#include <cstdint>
#include <optional>

namespace edgeclip {

/// The straight line through points by least squares, of any number of points in constant memory.  Not thread-safe.
class LineFit {
 public:
  void add(double x, double y) {
    // Means move with each point (Welford), so that large x and y lose no digits.
    ++count_;
    const double dx = x - mean_x_, n = static_cast<double>(count_);
    mean_x_ += dx / n;
    mean_y_ += (y - mean_y_) / n;
    xx_ += dx * (x - mean_x_);
    xy_ += dx * (y - mean_y_);
  }

  std::int64_t count() const { return count_; }
  double mean_y() const { return mean_y_; }
  /// How much y grows with x; nothing of points that all have one x.
  std::optional<double> slope() const { return count_ > 1 && xx_ > 0 ? std::optional(xy_ / xx_) : std::nullopt; }

 private:
  std::int64_t count_ = 0;
  double mean_x_ = 0, mean_y_ = 0, xx_ = 0, xy_ = 0;
};

}  // namespace edgeclip
