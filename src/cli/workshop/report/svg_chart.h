#pragma once

#include <string>
#include <utility>
#include <vector>

namespace edgeclip::report {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>>
      points;            ///< (x, y), x ascending; points that are not finite are left out
  bool markers = false;  ///< a dot at each point, for sparse series
};

struct Chart {
  std::string title, x_label, y_label;
  std::vector<Series> series;
};

/// Line chart as inline SVG with axes (x from 0), round ticks, labels and a legend; scales with the page.
/// Long series are thinned to means of neighbouring points.  Empty if no series has a point.
std::string svg_chart(const Chart& chart);

/// Round values (1, 2 or 5 times a power of ten apart) within [low, high], about `count` of them.
std::vector<double> round_ticks(double low, double high, int count);

}  // namespace edgeclip::report
