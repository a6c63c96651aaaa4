#include "cli/workshop/report/svg_axes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/utf8.h"
#include "cli/runtime/report/html.h"

namespace edgeclip::report {

namespace {

constexpr const char* kColours[] = {"#1f5fa8", "#c1521d", "#2b7a3d", "#7b3fa0",
                                    "#8a6d00", "#0b7f86", "#a8326e", "#5a6470"};

std::string number(double v) { return fmt::format("{:g}", std::abs(v) < 1e-12 ? 0.0 : v); }

/// A name that takes more than this width, cut.
std::string shortened(const std::string& name, double width, double font_size) {
  std::string cut = name;
  const auto is_further = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };  // byte of a character
  while (cut.size() > 1 && estimated_width(cut + (cut == name ? "" : "…"), font_size) > width) {
    while (cut.size() > 1 && is_further(cut.back())) cut.pop_back();
    cut.pop_back();
  }
  if (cut == name) return name;
  return cut + "…";
}

}  // namespace

void AxisRange::include(double v) {
  low = std::min(low, v);
  high = std::max(high, v);
}

void AxisRange::round_out() {
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

double Axes::at_x(double v) const {
  return kLeft + (v - x.low) / (x.high - x.low) * (kWidth - kLeft - kRight);
}

double Axes::at_y(double v) const {
  return kTop + (y.high - v) / (y.high - y.low) * (kHeight - kTop - kBottom);
}

std::string Axes::open(const std::string& alt) const {
  std::string svg = fmt::format(
      "<figure class=\"chart\"><svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\" "
      "font-family=\"system-ui, 'DejaVu Sans', sans-serif\" font-size=\"12\" fill=\"#1d2733\">\n"
      "<text x=\"{}\" y=\"18\" font-size=\"14\" font-weight=\"600\">{}</text>\n",
      kWidth, kHeight, escape_html(alt), 10, escape_html(title));
  const double bottom = kHeight - kBottom, right = kWidth - kRight;
  for (const double v : round_ticks(y.low, y.high, 5))
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{0}\" y1=\"{2:.1f}\" x2=\"{1}\" y2=\"{2:.1f}\" stroke=\"#e1e5ea\"/>"
        "<text x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>\n",
        kLeft, right, at_y(v), kLeft - 7, at_y(v) + 4.2, number(v));
  for (const double v : round_ticks(x.low, x.high, 5))
    svg += fmt::format(
        "<line class=\"frame\" x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2}\" stroke=\"#4a5560\"/>"
        "<text x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\">{4}</text>\n",
        at_x(v), bottom, bottom + 5, bottom + 18, number(v));
  svg += fmt::format("<path class=\"frame\" d=\"M{0} {1}V{2}H{3}\" fill=\"none\" stroke=\"#4a5560\"/>\n", kLeft, kTop, bottom,
                     right);
  svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", (kLeft + right) / 2,
                     kHeight - 9, escape_html(x_label));
  svg += fmt::format("<text transform=\"translate(13 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
                     (kTop + bottom) / 2, escape_html(y_label));
  return svg;
}

std::string Axes::legend(const std::vector<std::string>& names) {
  constexpr double kBeside = 34, kFont = 12;  // bar and gaps
  double taken = 0, shown = 0;
  for (const auto& name : names)
    if (!name.empty()) {
      taken += kBeside + estimated_width(name, kFont);
      ++shown;
    }
  const double room = kWidth - kLeft;
  const bool fits = taken <= room;
  std::string svg;
  double x = kLeft;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) continue;
    const std::string name = fits ? names[i] : shortened(names[i], room / shown - kBeside, kFont);
    svg += fmt::format(
        "<rect {} x=\"{:.0f}\" y=\"32\" width=\"14\" height=\"4\"/><text x=\"{:.0f}\" y=\"38.5\">{}</text>\n",
        dot_of(i), x, x + 19, escape_html(name));
    x += kBeside + estimated_width(name, kFont);
  }
  return svg;
}

std::string Axes::close(const std::string& caption) {
  return "</svg>" + (caption.empty() ? "" : "<figcaption>" + escape_html(caption) + "</figcaption>") +
         "</figure>\n";
}

const char* series_colour(std::size_t series) { return kColours[series % std::size(kColours)]; }

std::string curve_of(std::size_t series) {
  return fmt::format("class=\"curve s{}\" fill=\"none\" stroke=\"{}\"", series % std::size(kColours),
                     series_colour(series));
}

std::string dot_of(std::size_t series) {
  return fmt::format("class=\"dot s{}\" fill=\"{}\"", series % std::size(kColours), series_colour(series));
}

double estimated_width(const std::string& text, double font_size) {
  double em = 0;
  for (const char32_t c : utf8_to_utf32(text)) em += c < 0x1100 ? 0.62 : 1.0;
  return em * font_size;
}

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

}  // namespace edgeclip::report
