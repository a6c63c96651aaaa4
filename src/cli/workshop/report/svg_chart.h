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

/// Line chart as inline SVG with axes (x from 0), round ticks, labels and a legend.
/// Long series are thinned to means of neighbouring points.  Empty if no series has a point.
std::string svg_chart(const Chart& chart);

}  // namespace edgeclip::report
