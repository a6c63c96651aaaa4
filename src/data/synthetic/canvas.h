#pragma once

#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "base/rng.h"

/// Painting on an oversized picture that is reduced at the end, which smooths every edge.
namespace edgeclip::synthetic {

using Point = cv::Point2f;
using Colour = cv::Vec3f;  ///< RGB, 0..255

/// A colour that people would call `name`, drawn from its ranges.
Colour draw_colour(const std::string& name, Rng& rng);
Colour rgb_from_hsv(double hue, double saturation, double value);
inline float luma(const Colour& c) { return 0.3f * c[0] + 0.59f * c[1] + 0.11f * c[2]; }

/// What a part of the figure looks like.  Patterns lie in figure units (see Frame), so that parts share them.
struct Fill {
  Colour colour, colour2;
  enum Pattern { kPlain, kStriped, kChecked, kTwoColoured, kQuilted } pattern = kPlain;
  float split = 0;      ///< kTwoColoured: `colour` above this height, `colour2` below
  float roundness = 1;  ///< darkening towards the sides, as of a cylinder
  float folds = 1;      ///< strength of the uneven light that cloth shows
  float gloss = 0;      ///< bright streaks (leather)
  float shade = 1;      ///< brightness of the whole part
};

inline Fill plain(const Colour& colour, float shade = 1) {
  Fill fill;
  fill.colour = colour;
  fill.shade = shade;
  return fill;
}

/// Where the figure stands: x to the right, y up from the feet, in units of its height.
struct Frame {
  float foot_x = 0, foot_y = 0, height = 1, lean = 0;
  Point at(float x, float y) const { return {foot_x + (x + lean * y) * height, foot_y - y * height}; }
};

/// A union of polygons, limbs and ellipses, in figure units.
struct Outline {
  std::vector<std::vector<Point>> polygons;
  struct Ellipse {
    Point centre;
    float rx, ry, degrees;
  };
  std::vector<Ellipse> ellipses;

  Outline& polygon(std::vector<Point> points);
  /// A tapered limb with round ends.
  Outline& limb(Point a, float radius_a, Point b, float radius_b);
  Outline& ellipse(Point centre, float rx, float ry, float degrees = 0);
};

class Canvas {
 public:
  /// folds: its own random field.
  Canvas(int width, int height, Rng& rng);

  void paint(const Outline& outline, const Fill& fill, const Frame& frame);
  void line(Point a, Point b, const Colour& colour, float thickness, const Frame& frame);

  cv::Mat image;  ///< CV_8UC3, RGB

 private:
  cv::Mat folds_, mask_;
};

inline cv::Scalar scalar(const Colour& c) { return {c[0], c[1], c[2]}; }

}  // namespace edgeclip::synthetic
