#include "data/synthetic/head.h"

#include <cmath>
#include <vector>

namespace edgeclip::synthetic {
namespace {

class HeadPainter {
 public:
  HeadPainter(Canvas& canvas, const Attributes& a, const Wardrobe& w, const Pose& pose, const Frame& frame)
      : canvas_(canvas),
        a_(a),
        w_(w),
        pose_(pose),
        frame_(frame),
        woman_(a.gender == "woman"),
        side_(std::sin(pose.turn * kDegree)) {}

  void draw() {
    const float rx = 0.047f + 0.004f * std::abs(side_), ry = 0.062f;
    const Point c(0.016f * side_, kHead);
    const bool back = pose_.back();
    Fill skin = plain(w_.skin);
    skin.folds = 0.35f;
    Fill hair = plain(w_.hair);
    hair.roundness = 0.8f;
    const bool lengthy = a_.hair_length == "long", curly = a_.hair_length == "curly";
    if (lengthy && !back)  // falls on both shoulders behind the face
      paint(Outline().polygon({{c.x - 0.050f, kHead + 0.02f},
                               {c.x + 0.050f, kHead + 0.02f},
                               {c.x + 0.056f - 0.03f * side_, 0.785f},
                               {c.x - 0.056f - 0.03f * side_, 0.785f}}),
            hair);
    if (curly) paint(Outline().ellipse({c.x - 0.012f * side_, kHead - 0.006f}, 0.068f, 0.078f), hair);
    paint(Outline().ellipse(c, rx, ry), skin);
    if (!back && std::abs(side_) < 0.9f) {  // eyes and mouth, hardly more than a shade at this size
      const Colour shadow = w_.skin * 0.62f;
      canvas_.line({c.x + 0.014f * side_ - 0.022f, kHead + 0.006f},
                   {c.x + 0.014f * side_ + 0.022f, kHead + 0.006f}, shadow, 0.008f, frame_);
      canvas_.line({c.x + 0.014f * side_ - 0.010f, kHead - 0.034f},
                   {c.x + 0.014f * side_ + 0.010f, kHead - 0.034f}, shadow, 0.006f, frame_);
    }
    if (a_.hair_length == "bald") {
      Fill fringe = plain(w_.skin * 0.45f);
      if (back)
        paint(Outline().ellipse({c.x, kHead - 0.022f}, rx * 0.98f, 0.026f), fringe);
      else if (std::abs(side_) > 0.4f)
        paint(Outline().ellipse({c.x - 0.028f * side_, kHead - 0.016f}, 0.018f, 0.022f), fringe);
    } else if (back) {
      paint(Outline().ellipse({c.x, kHead + 0.004f}, rx + 0.005f, ry + (woman_ ? 0.0f : -0.004f)), hair);
      if (lengthy)
        paint(Outline().polygon({{c.x - 0.052f, kHead + 0.01f},
                                 {c.x + 0.052f, kHead + 0.01f},
                                 {c.x + 0.050f, 0.755f},
                                 {c.x, 0.735f},
                                 {c.x - 0.050f, 0.755f}}),
              hair);
      if (curly) paint(Outline().ellipse({c.x, kHead - 0.006f}, 0.070f, 0.080f), hair);
    } else {
      const float behind = 0.020f * side_;  // in profile the hair sits behind the face
      Outline cap;
      cap.polygon(arc(c.x - behind * 0.4f, kHead + 0.012f, rx + 0.006f, ry - 0.004f));
      if (std::abs(side_) > 0.35f)
        cap.ellipse({c.x - 0.030f * side_, kHead + 0.008f}, 0.030f, 0.048f);
      else if (woman_)
        cap.ellipse({c.x - 0.046f, kHead - 0.004f}, 0.012f, 0.040f)
            .ellipse({c.x + 0.046f, kHead - 0.004f}, 0.012f, 0.040f);
      paint(cap, hair);
    }
    if (a_.hat != "none") hat(c, rx);
  }

 private:
  void paint(const Outline& outline, const Fill& fill) { canvas_.paint(outline, fill, frame_); }

  /// The upper part of an ellipse, from a hair line above its centre.
  static std::vector<Point> arc(float x, float y, float rx, float ry) {
    std::vector<Point> points;
    for (int k = 0; k <= 8; ++k) {
      const float t = (8.0f + 20.5f * static_cast<float>(k)) * kDegree;
      points.emplace_back(x + rx * std::cos(t), y + ry * std::sin(t));
    }
    return points;
  }

  void hat(Point c, float rx) {
    const Fill cloth = plain(w_.hat), rim = plain(w_.hat, 0.75f);
    if (a_.hat == "hat") {
      paint(Outline().polygon({{c.x - rx, kHead + 0.022f},
                               {c.x + rx, kHead + 0.022f},
                               {c.x + rx * 0.8f, kHead + 0.080f},
                               {c.x - rx * 0.8f, kHead + 0.080f}}),
            cloth);
      paint(Outline().ellipse({c.x, kHead + 0.024f}, rx + 0.036f, 0.015f), rim);
      return;
    }
    const float low = a_.hat == "beanie" ? kHead + 0.008f : kHead + 0.020f;
    paint(Outline().polygon(arc(c.x, low, rx + 0.009f, a_.hat == "beanie" ? 0.070f : 0.056f)), cloth);
    if (a_.hat == "beanie")
      canvas_.line({c.x - rx - 0.004f, low + 0.012f}, {c.x + rx + 0.004f, low + 0.012f}, w_.hat * 0.72f,
                   0.016f, frame_);
    else if (!pose_.back())
      paint(
          Outline().ellipse({c.x + 0.045f * side_, low + 0.008f}, 0.036f + 0.012f * std::abs(side_), 0.011f),
          rim);
  }

  Canvas& canvas_;
  const Attributes& a_;
  const Wardrobe& w_;
  const Pose& pose_;
  const Frame& frame_;
  const bool woman_;
  const float side_;
};

}  // namespace

void draw_hair_behind(Canvas& canvas, const Attributes& attributes, const Wardrobe& wardrobe,
                      const Frame& frame) {
  if (attributes.hair_length != "curly") return;
  canvas.paint(Outline().ellipse({0, kHead - 0.012f}, 0.074f, 0.082f), plain(wardrobe.hair, 0.85f), frame);
}

void draw_head(Canvas& canvas, const Attributes& attributes, const Wardrobe& wardrobe, const Pose& pose,
               const Frame& frame) {
  HeadPainter(canvas, attributes, wardrobe, pose, frame).draw();
}

}  // namespace edgeclip::synthetic
