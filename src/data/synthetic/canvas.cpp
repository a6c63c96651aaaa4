#include "data/synthetic/canvas.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <utility>

#include "data/synthetic/attributes.h"

namespace edgeclip::synthetic {
namespace {

constexpr int kShift = 4;  // fixed-point bits of OpenCV's sub-pixel coordinates

cv::Point fixed(const Point& p) { return {cvRound(p.x * (1 << kShift)), cvRound(p.y * (1 << kShift))}; }

/// 0 or 1 along a line: bars of `width` out of every `period`.
bool bar(float x, float period, float width) {
  const float at = x / period;
  return (at - std::floor(at)) * period < width;
}

}  // namespace

Colour rgb_from_hsv(double hue, double saturation, double value) {
  const auto channel = [&](double n) {
    const double k = std::fmod(n + hue / 60.0 + 12.0, 6.0);
    return static_cast<float>(255 * value * (1 - saturation * std::max(0.0, std::min({k, 4 - k, 1.0}))));
  };
  return {channel(5), channel(3), channel(1)};
}

Colour draw_colour(const std::string& name, Rng& rng) {
  const NamedColour& c = colour_named(name);
  const double hue = rng.uniform(c.hue_low, c.hue_high);
  const double saturation = rng.uniform(c.saturation_low, c.saturation_high);
  const double value = rng.uniform(c.value_low, c.value_high);
  return rgb_from_hsv(hue, saturation, value);
}

Outline& Outline::polygon(std::vector<Point> points) {
  polygons.push_back(std::move(points));
  return *this;
}

Outline& Outline::limb(Point a, float radius_a, Point b, float radius_b) {
  const Point along = b - a;
  const float length = std::max(1e-4f, std::hypot(along.x, along.y));
  const Point across(-along.y / length, along.x / length);
  polygons.push_back(
      {a + across * radius_a, b + across * radius_b, b - across * radius_b, a - across * radius_a});
  ellipse(a, radius_a, radius_a);
  return ellipse(b, radius_b, radius_b);
}

Outline& Outline::ellipse(Point centre, float rx, float ry, float degrees) {
  ellipses.push_back({centre, rx, ry, degrees});
  return *this;
}

Canvas::Canvas(int width, int height, Rng& rng) : image(height, width, CV_8UC3), mask_(height, width, CV_8U) {
  // People are drawn in parallel; a pool of OpenCV's own under each drawing thread would only oversubscribe.
  static const bool once = (cv::setNumThreads(1), true);
  static_cast<void>(once);
  cv::Mat coarse(height / 16 + 2, width / 12 + 2, CV_8U);
  for (int y = 0; y < coarse.rows; ++y)
    for (int x = 0; x < coarse.cols; ++x)
      coarse.at<std::uint8_t>(y, x) = static_cast<std::uint8_t>(rng.below(256));
  cv::resize(coarse, folds_, {width, height}, 0, 0, cv::INTER_LINEAR);
}

void Canvas::paint(const Outline& outline, const Fill& fill, const Frame& frame) {
  std::vector<std::vector<cv::Point>> polygons;
  float left = 1e9f, right = -1e9f, top = 1e9f, bottom = -1e9f;
  const auto reach = [&](const Point& p, float rx, float ry) {
    left = std::min(left, p.x - rx);
    right = std::max(right, p.x + rx);
    top = std::min(top, p.y - ry);
    bottom = std::max(bottom, p.y + ry);
  };
  for (const auto& polygon : outline.polygons) {
    auto& out = polygons.emplace_back();
    for (const Point& p : polygon) {
      const Point q = frame.at(p.x, p.y);
      reach(q, 0, 0);
      out.push_back(fixed(q));
    }
  }
  for (const auto& e : outline.ellipses) {
    const float r = std::max(e.rx, e.ry) * frame.height;
    reach(frame.at(e.centre.x, e.centre.y), e.degrees == 0 ? e.rx * frame.height : r,
          e.degrees == 0 ? e.ry * frame.height : r);
  }
  const cv::Rect all(0, 0, image.cols, image.rows);
  const cv::Rect box = cv::Rect(cv::Point(static_cast<int>(left) - 1, static_cast<int>(top) - 1),
                                cv::Point(static_cast<int>(right) + 2, static_cast<int>(bottom) + 2)) &
                       all;
  if (box.empty()) return;
  mask_(box).setTo(0);
  for (const auto& polygon : polygons)  // one by one: fillPoly of several would leave their overlap empty
    cv::fillPoly(mask_, std::vector<std::vector<cv::Point>>{polygon}, 255, cv::LINE_8, kShift);
  for (const auto& e : outline.ellipses) {
    const Point c = frame.at(e.centre.x, e.centre.y);
    cv::ellipse(mask_, fixed(c), fixed({e.rx * frame.height, e.ry * frame.height}), -e.degrees, 0, 360, 255,
                -1, cv::LINE_8, kShift);
  }
  const float centre = 0.5f * (left + right), half = std::max(1.0f, 0.5f * (right - left));
  for (int y = box.y; y < box.y + box.height; ++y) {
    const std::uint8_t* mask = mask_.ptr<std::uint8_t>(y);
    const std::uint8_t* folds = folds_.ptr<std::uint8_t>(y);
    auto* out = image.ptr<cv::Vec3b>(y);
    const float v = (frame.foot_y - static_cast<float>(y)) / frame.height;
    for (int x = box.x; x < box.x + box.width; ++x) {
      if (mask[x] == 0) continue;
      const float across = (static_cast<float>(x) - centre) / half;
      const float u = (static_cast<float>(x) - frame.foot_x) / frame.height - frame.lean * v;
      const float fold = (static_cast<float>(folds[x]) - 128.0f) / 128.0f;
      float light = fill.shade * (1.05f - fill.roundness * (0.28f * across * across - 0.08f * across) +
                                  0.13f * fill.folds * fold);
      Colour c = fill.colour;
      switch (fill.pattern) {
        case Fill::kPlain:
          break;
        case Fill::kStriped:
          if (bar(v, 0.046f, 0.019f)) c = fill.colour2;
          break;
        case Fill::kChecked: {
          const int lines =
              static_cast<int>(bar(v, 0.05f, 0.018f)) + static_cast<int>(bar(u + 0.5f, 0.05f, 0.018f));
          c = c * (1 - 0.45f * static_cast<float>(lines)) +
              fill.colour2 * (0.45f * static_cast<float>(lines));
          break;
        }
        case Fill::kTwoColoured:
          if (v < fill.split) c = fill.colour2;
          break;
        case Fill::kQuilted:
          if (v < fill.split) c = fill.colour2;
          if (bar(v, 0.042f, 0.008f))
            light *= 0.72f;
          else if (bar(v - 0.02f, 0.042f, 0.010f))
            light = light * 1.08f + 0.02f;
          break;
      }
      c *= light;
      if (fill.gloss > 0 && fold > 0.35f) c += Colour::all(fill.gloss * (fold - 0.35f));
      out[x] = {cv::saturate_cast<std::uint8_t>(c[0]), cv::saturate_cast<std::uint8_t>(c[1]),
                cv::saturate_cast<std::uint8_t>(c[2])};
    }
  }
}

void Canvas::line(Point a, Point b, const Colour& colour, float thickness, const Frame& frame) {
  cv::line(image, fixed(frame.at(a.x, a.y)), fixed(frame.at(b.x, b.y)), scalar(colour),
           std::max(1, cvRound(thickness * frame.height)), cv::LINE_8, kShift);
}

}  // namespace edgeclip::synthetic
