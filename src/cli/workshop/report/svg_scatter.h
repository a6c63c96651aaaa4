#pragma once

#include <optional>
#include <string>
#include <vector>

namespace edgeclip::report {

struct ScatterPoint {
  std::string label;
  double x = 0, y = 0;  ///< a point that is not finite is left out
};

struct ScatterSeries {
  std::string name;
  std::vector<ScatterPoint> points;
};

struct Scatter {
  std::string title, x_label, y_label, caption;
  std::vector<ScatterSeries> series;
  bool front = false;  ///< draws pareto_front() of all points as steps
};

/// Which of points (x: a cost, y: what is gained) no other beats: none has as little x and more y, or less x and as much y.  In
/// order of x; of equal points the first.  Those that are not finite are passed over.
std::vector<std::size_t> pareto_front(const std::vector<ScatterPoint>& points);

/// Labelled points as inline SVG with axes (x from 0), a marker of its own shape and colour per series.  A
/// label stands beside its point, or a little further away on a thin line, and never on another label or
/// point; one that finds no room is left out.  Empty if no series has a point.
std::string svg_scatter(const Scatter& scatter);

struct Box {
  double x = 0, y = 0, width = 0, height = 0;  ///< x, y: the upper left corner
  bool overlaps(const Box& other) const {
    return x < other.x + other.width && other.x < x + width && y < other.y + other.height &&
           other.y < y + height;
  }
  bool holds(const Box& other) const {
    return other.x >= x && other.y >= y && other.x + other.width <= x + width &&
           other.y + other.height <= y + height;
  }
};

struct LabelledPoint {
  double x = 0, y = 0;           ///< centre of the marker
  double width = 0, height = 0;  ///< of the label
};

/// A place for each label within the frame that overlaps neither another label nor a marker (of this radius);
/// none where there is no room.
std::vector<std::optional<Box>> place_labels(const std::vector<LabelledPoint>& points, double radius,
                                             const Box& frame);

}  // namespace edgeclip::report
