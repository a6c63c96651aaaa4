#include "cli/workshop/report/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "cli/workshop/report/html.h"

namespace edgeclip::report {

namespace {

constexpr double kWidth = 640, kHeight = 360;                       // SVG units
constexpr double kLeft = 66, kRight = 16, kTop = 52, kBottom = 50;  // margins
constexpr std::size_t kMostPoints = 400;
constexpr const char* kColours[] = {"#1f5fa8", "#c1521d", "#2b7a3d", "#7b3fa0", "#8a6d00"};

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

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void include(double v) {
    low = std::min(low, v);
    high = std::max(high, v);
  }
  /// Never of length 0; ends at ticks so that the curve does not touch the frame's edge.
  void round_out() {
    if (high - low < 1e-12 * std::max(1.0, std::abs(high))) {
      low -= 0.5;
      high += 0.5;
    }
    const auto ticks = round_ticks(low, high, 5);
    if (ticks.size() < 2) return;
    const double step = ticks[1] - ticks[0];
    low = std::floor(low / step) * step;
    high = std::ceil(high / step) * step;
  }
};

std::string number(double v) { return fmt::format("{:g}", std::abs(v) < 1e-12 ? 0.0 : v); }

}  // namespace

std::vector<double> round_ticks(double low, double high, int count) {
  std::vector<double> ticks;
  if (!(high > low) || count < 1) return {low};
  const double raw = (high - low) / count, power = std::pow(10.0, std::floor(std::log10(raw)));
  const double part = raw / power;
  const double step = power * (part <= 1.0 ? 1 : part <= 2.0 ? 2 : part <= 5.0 ? 5 : 10);
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i)
    ticks.push_back(i * step);
  return ticks;
}

std::string svg_chart(const Chart& chart) {
  std::vector<Points> curves;
  Range x, y;
  x.include(0);
  for (const auto& series : chart.series) {
    curves.push_back(thinned(finite_points(series.points)));
    for (const auto& p : curves.back()) {
      x.include(p.first);
      y.include(p.second);
    }
  }
  if (!(y.low <= y.high)) return {};
  if (x.high - x.low < 1e-12) x.high = x.low + 1;
  y.round_out();
  const double plot_w = kWidth - kLeft - kRight, plot_h = kHeight - kTop - kBottom;
  const auto at_x = [&](double v) { return kLeft + (v - x.low) / (x.high - x.low) * plot_w; };
  const auto at_y = [&](double v) { return kTop + (y.high - v) / (y.high - y.low) * plot_h; };

  std::string svg = fmt::format(
      "<figure><svg viewBox=\"0 0 {} {}\" width=\"{}\" role=\"img\" aria-label=\"{}\" "
      "font-family=\"system-ui, 'DejaVu Sans', "
      "sans-serif\" font-size=\"12.5\" fill=\"#1d2733\">\n<text x=\"{}\" y=\"18\" font-size=\"15\" "
      "font-weight=\"600\">{}</text>\n",
      kWidth, kHeight, kWidth, escape_html(chart.title), kLeft, escape_html(chart.title));
  for (const double v : round_ticks(y.low, y.high, 5))
    svg += fmt::format(
        "<line x1=\"{0}\" y1=\"{2:.1f}\" x2=\"{1}\" y2=\"{2:.1f}\" stroke=\"#e1e5ea\"/>"
        "<text x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>\n",
        kLeft, kWidth - kRight, at_y(v), kLeft - 8, at_y(v) + 4.5, number(v));
  for (const double v : round_ticks(x.low, x.high, 6))
    svg += fmt::format(
        "<line x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2}\" stroke=\"#4a5560\"/>"
        "<text x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\">{4}</text>\n",
        at_x(v), kHeight - kBottom, kHeight - kBottom + 5, kHeight - kBottom + 20, number(v));
  svg += fmt::format("<path d=\"M{0} {1}V{2}H{3}\" fill=\"none\" stroke=\"#4a5560\"/>\n", kLeft, kTop,
                     kHeight - kBottom, kWidth - kRight);
  svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", kLeft + plot_w / 2,
                     kHeight - 10, escape_html(chart.x_label));
  svg += fmt::format("<text transform=\"translate(16 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
                     kTop + plot_h / 2, escape_html(chart.y_label));

  double legend_x = kLeft;
  for (std::size_t i = 0; i < curves.size(); ++i) {
    if (curves[i].empty()) continue;
    const char* colour = kColours[i % std::size(kColours)];
    std::string path;
    for (const auto& p : curves[i])
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", at_x(p.first), at_y(p.second));
    svg += fmt::format(
        "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\" stroke-linejoin=\"round\"/>\n", path,
        colour);
    // A curve of one point is no line: it is always marked.
    if (chart.series[i].markers || curves[i].size() == 1)
      for (const auto& p : curves[i])
        svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.4\" fill=\"{}\"/>", at_x(p.first),
                           at_y(p.second), colour);
    svg += fmt::format(
        "<rect x=\"{:.0f}\" y=\"31\" width=\"16\" height=\"4\" fill=\"{}\"/><text x=\"{:.0f}\" "
        "y=\"37.5\">{}</text>\n",
        legend_x, colour, legend_x + 21, escape_html(chart.series[i].name));
    legend_x += 40 + 7.2 * static_cast<double>(chart.series[i].name.size());
  }
  return svg + "</svg></figure>\n";
}

}  // namespace edgeclip::report
