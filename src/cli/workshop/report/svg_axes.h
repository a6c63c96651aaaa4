#pragma once

#include <limits>
#include <string>
#include <vector>

namespace edgeclip::report {

/// The values that an axis shows.
struct AxisRange {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();

  void include(double v);
  bool empty() const { return !(low <= high); }
  /// Never of length 0; ends at ticks, so that no curve touches the frame's edge.
  void round_out();
};

/// A chart's frame, 480 x 320 units and scaled with the page: title, ticks and the names of the axes.
struct Axes {
  static constexpr double kWidth = 480, kHeight = 320;
  static constexpr double kLeft = 66, kRight = 14, kTop = 50, kBottom = 46;  // margins

  std::string title, x_label, y_label;
  AxisRange x, y;  ///< neither empty

  /// Places of values, in SVG units.
  double at_x(double v) const;
  double at_y(double v) const;
  /// <figure><svg> up to what is drawn within the frame.  alt: the picture in words.
  std::string open(const std::string& alt) const;
  /// The names of the series above the frame, a coloured bar before each; empty names are passed over, and long
  /// ones end in an ellipsis where there is no room for all.
  static std::string legend(const std::vector<std::string>& names);
  /// caption: text under the chart, may be empty.
  static std::string close(const std::string& caption = {});
};

/// The colour of a series on light ground.
const char* series_colour(std::size_t series);
/// Attributes of what is drawn as a line or filled in it: the colour, and the classes by which the page's style
/// has another one on dark ground.
std::string curve_of(std::size_t series);
std::string dot_of(std::size_t series);

/// Units that a text of this size in pixels is wide, on the safe side.
double estimated_width(const std::string& text, double font_size);

/// Round values (1, 2 or 5 times a power of ten apart) within [low, high], about `count` of them.
std::vector<double> round_ticks(double low, double high, int count);

}  // namespace edgeclip::report
