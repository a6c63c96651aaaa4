#include "cli/workshop/report/svg_scatter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/runtime/report/html.h"
#include "cli/workshop/report/svg_axes.h"

namespace edgeclip::report {

namespace {

constexpr double kRadius = 4.5, kLabelSize = 11, kLabelHeight = 13;

/// Circle, square, triangle, diamond: series can be told apart in a print without colours.
std::string marker(double x, double y, std::size_t series) {
  const std::string dot = dot_of(series);
  switch (series % 4) {
    case 0:
      return fmt::format("<circle {} cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"/>", dot, x, y, kRadius);
    case 1:
      return fmt::format("<rect {} x=\"{:.1f}\" y=\"{:.1f}\" width=\"8\" height=\"8\"/>", dot, x - 4, y - 4);
    case 2:
      return fmt::format("<path {} d=\"M{:.1f} {:.1f}l5 9h-10z\"/>", dot, x, y - 5);
    default:
      return fmt::format("<path {} d=\"M{:.1f} {:.1f}l5 5l-5 5l-5 -5z\"/>", dot, x, y - 5);
  }
}

std::string described(const Scatter& scatter) {
  std::string alt = scatter.y_label + " against " + scatter.x_label + ":";
  for (const auto& series : scatter.series)
    for (const auto& p : series.points)
      alt += fmt::format(" {}{}{} ({:.4g}, {:.4g});", series.name, series.name.empty() ? "" : " ", p.label,
                         p.x, p.y);
  alt.pop_back();
  return alt;
}

/// From each point of the front to the right as far as the next one: what can be had for that cost.
std::string front_line(const Scatter& scatter, const Axes& axes) {
  std::vector<ScatterPoint> points;
  for (const auto& series : scatter.series) points.insert(points.end(), series.points.begin(), series.points.end());
  std::string path;
  for (const std::size_t i : pareto_front(points))
    path += path.empty() ? fmt::format("M{:.1f} {:.1f}", axes.at_x(points[i].x), axes.at_y(points[i].y))
                         : fmt::format("H{:.1f}V{:.1f}", axes.at_x(points[i].x), axes.at_y(points[i].y));
  if (path.empty()) return path;
  return fmt::format("<path d=\"{}H{:.1f}\" fill=\"none\" stroke=\"#8a94a0\" stroke-width=\"1.2\" stroke-dasharray=\"5 3\"/>\n", path,
                     axes.at_x(axes.x.high));
}

}  // namespace

std::vector<std::optional<Box>> place_labels(const std::vector<LabelledPoint>& points, double radius,
                                             const Box& frame) {
  std::vector<Box> taken;
  for (const auto& p : points) taken.push_back({p.x - radius, p.y - radius, 2 * radius, 2 * radius});
  std::vector<std::optional<Box>> places(points.size());
  for (std::size_t i = 0; i < points.size(); ++i) {
    const auto& p = points[i];
    for (const double away : {3.0, 14.0, 26.0, 40.0, 56.0, 74.0}) {
      const double d = radius + away, w = p.width, h = p.height;
      const Box tried[] = {{p.x + d, p.y - h / 2, w, h},     {p.x - d - w, p.y - h / 2, w, h},
                           {p.x - w / 2, p.y - d - h, w, h}, {p.x - w / 2, p.y + d, w, h},
                           {p.x + d, p.y - d - h, w, h},     {p.x + d, p.y + d, w, h},
                           {p.x - d - w, p.y - d - h, w, h}, {p.x - d - w, p.y + d, w, h}};
      for (const Box& box : tried)
        if (!places[i] && frame.holds(box) &&
            std::none_of(taken.begin(), taken.end(), [&](const Box& t) { return t.overlaps(box); }))
          places[i] = box;
      if (places[i]) break;
    }
    if (places[i]) taken.push_back(*places[i]);
  }
  return places;
}

std::vector<std::size_t> pareto_front(const std::vector<ScatterPoint>& points) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < points.size(); ++i)
    if (std::isfinite(points[i].x) && std::isfinite(points[i].y)) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return points[a].x != points[b].x ? points[a].x < points[b].x : points[a].y > points[b].y;
  });
  std::vector<std::size_t> front;
  for (const std::size_t i : order)
    if (front.empty() || points[i].y > points[front.back()].y) front.push_back(i);
  return front;
}

std::string svg_scatter(const Scatter& given) {
  Scatter scatter = given;
  Axes axes{scatter.title, scatter.x_label, scatter.y_label, {}, {}};
  axes.x.include(0);
  std::vector<std::string> names;
  for (auto& series : scatter.series) {
    auto& points = series.points;
    points.erase(
        std::remove_if(points.begin(), points.end(),
                       [](const ScatterPoint& p) { return !std::isfinite(p.x) || !std::isfinite(p.y); }),
        points.end());
    for (const auto& p : points) {
      axes.x.include(p.x);
      axes.y.include(p.y);
    }
    names.push_back(points.empty() ? "" : series.name);
  }
  if (axes.y.empty()) return {};
  // Models that differ by next to nothing must not look far apart.
  const double middle = (axes.y.low + axes.y.high) / 2, least = 0.05 * std::abs(middle);
  axes.y.include(middle - least / 2);
  axes.y.include(middle + least / 2);
  axes.x.round_out();
  axes.y.round_out();

  std::vector<LabelledPoint> points;
  for (const auto& series : scatter.series)
    for (const auto& p : series.points)
      points.push_back({axes.at_x(p.x), axes.at_y(p.y), estimated_width(p.label, kLabelSize), kLabelHeight});
  const auto places = place_labels(points, kRadius,
                                   {Axes::kLeft + 2, Axes::kTop - 6, Axes::kWidth - Axes::kLeft - 4,
                                    Axes::kHeight - Axes::kBottom - Axes::kTop + 4});
  std::string svg = axes.open(described(scatter)) + Axes::legend(names), lines, texts;
  if (scatter.front) svg += front_line(scatter, axes);
  std::size_t k = 0;
  for (std::size_t i = 0; i < scatter.series.size(); ++i)
    for (const auto& p : scatter.series[i].points) {
      const auto& at = points[k];
      svg += marker(at.x, at.y, i);
      if (const auto& box = places[k++]) {
        const double x = std::clamp(at.x, box->x, box->x + box->width),
                     y = std::clamp(at.y, box->y, box->y + box->height);
        if (std::hypot(x - at.x, y - at.y) > kRadius + 8)
          lines += fmt::format(
              "<path d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\" stroke=\"#8a94a0\" stroke-width=\"0.8\"/>", at.x,
              at.y, x, y);
        // The label's near end stands at the point, however wide the reader's font is.
        const bool right = box->x >= at.x, left = box->x + box->width <= at.x;
        texts +=
            fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"{}\" text-anchor=\"{}\">{}</text>\n",
                        box->x + (right  ? 0
                                  : left ? box->width
                                         : box->width / 2),
                        box->y + kLabelHeight - 3, kLabelSize,
                        right  ? "start"
                        : left ? "end"
                               : "middle",
                        escape_html(p.label));
      }
    }
  return svg + "\n" + lines + "\n" + texts + Axes::close(scatter.caption);
}

}  // namespace edgeclip::report
