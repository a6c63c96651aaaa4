#include "cli/workshop/report/svg_chart.h"

#include <fmt/format.h>

#include <cmath>

#include "cli/workshop/report/svg_axes.h"

namespace edgeclip::report {

namespace {

constexpr std::size_t kMostPoints = 400;

using Points = std::vector<std::pair<double, double>>;

Points finite_points(const Points& points) {
  Points out;
  for (const auto& p : points)
    if (std::isfinite(p.first) && std::isfinite(p.second)) out.push_back(p);
  return out;
}

/// Means of neighbouring points; the last point stays where it is.
Points thinned(const Points& points) {
  if (points.size() <= kMostPoints) return points;
  Points out;
  for (std::size_t bucket = 0; bucket < kMostPoints; ++bucket) {
    const std::size_t begin = bucket * points.size() / kMostPoints,
                      end = (bucket + 1) * points.size() / kMostPoints;
    double x = 0, y = 0;
    for (std::size_t i = begin; i < end; ++i) {
      x += points[i].first;
      y += points[i].second;
    }
    out.emplace_back(x / static_cast<double>(end - begin), y / static_cast<double>(end - begin));
  }
  out.push_back(points.back());
  return out;
}

}  // namespace

std::string svg_chart(const Chart& chart) {
  Axes axes{chart.title, chart.x_label, chart.y_label, {}, {}};
  std::vector<Points> curves;
  std::vector<std::string> names;
  std::string alt = chart.title + ", against " + chart.x_label + ":";
  axes.x.include(0);
  for (const auto& series : chart.series) {
    curves.push_back(thinned(finite_points(series.points)));
    const Points& curve = curves.back();
    names.push_back(curve.empty() ? "" : series.name);
    for (const auto& p : curve) {
      axes.x.include(p.first);
      axes.y.include(p.second);
    }
    if (!curve.empty())
      alt +=
          fmt::format(" {} from {:.4g} to {:.4g};", series.name, curve.front().second, curve.back().second);
  }
  if (axes.y.empty()) return {};
  alt.pop_back();
  if (axes.x.high - axes.x.low < 1e-12) axes.x.high = axes.x.low + 1;
  axes.y.round_out();

  std::string svg = axes.open(alt) + Axes::legend(names);
  for (std::size_t i = 0; i < curves.size(); ++i) {
    if (curves[i].empty()) continue;
    std::string path;
    for (const auto& p : curves[i])
      path +=
          fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", axes.at_x(p.first), axes.at_y(p.second));
    svg += fmt::format(
        "<path {} d=\"{}\" stroke-width=\"2\" stroke-linejoin=\"round\"/>\n", curve_of(i), path);
    // A curve of one point is no line: it is always marked.
    if (chart.series[i].markers || curves[i].size() == 1)
      for (const auto& p : curves[i])
        svg += fmt::format("<circle {} cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"/>", dot_of(i), axes.at_x(p.first),
                           axes.at_y(p.second));
  }
  return svg + Axes::close();
}

}  // namespace edgeclip::report
