#include "data/synthetic/figure.h"

#include <cmath>
#include <utility>

#include "data/synthetic/attributes.h"
#include "data/synthetic/head.h"

namespace edgeclip::synthetic {
namespace {

/// Heights in units of the figure's; a camera above shortens the legs a little.
constexpr float kAnkle = 0.035f, kKnee = 0.245f, kHip = 0.47f, kWaist = 0.56f, kShoulder = 0.805f,
                kNeck = 0.84f;

class Painter {
 public:
  Painter(Canvas& canvas, const Attributes& a, const Wardrobe& w, const Pose& pose, const Frame& frame)
      : canvas_(canvas),
        a_(a),
        w_(w),
        pose_(pose),
        frame_(frame),
        woman_(a.gender == "woman"),
        facing_(std::cos(pose.turn * kDegree)),
        side_(std::sin(pose.turn * kDegree)) {
    shoulder_ = width(woman_ ? 0.098f : 0.118f, 0.068f) * pose.build;
    waist_ = width(woman_ ? 0.074f : 0.096f, 0.064f) * pose.build;
    hip_ = width(woman_ ? 0.094f : 0.090f, 0.070f) * pose.build;
    if (is_outerwear(a.upper)) shoulder_ += 0.008f, waist_ += 0.012f, hip_ += 0.008f;
    if (a.upper == "puffer jacket") shoulder_ += 0.008f, waist_ += 0.022f, hip_ += 0.012f;
    if (a.upper == "dress") waist_ -= 0.006f;
    cloth_ = upper_fill();
  }

  void draw() {
    if (pose_.front()) bag(true);
    const float far = side_ > 0 ? -1.0f : 1.0f;  // the arm and leg on the far side are drawn first
    if (pose_.front()) draw_hair_behind(canvas_, a_, w_, frame_);
    leg(far, 0.80f);
    leg(-far, 1.0f);
    skirt();
    arm(far, 0.78f);
    if (std::abs(side_) > 0.55f && a_.bag == "handbag") bag(true);
    torso();
    draw_head(canvas_, a_, w_, pose_, frame_);
    if (!pose_.front())
      bag(false);
    else
      straps();
    arm(-far, 0.93f);
    if (std::abs(side_) <= 0.55f || a_.bag != "handbag") hand_bag();
    carried(-far);
  }

 private:
  float width(float front, float side) const { return std::hypot(front * facing_, side * side_); }
  void paint(const Outline& outline, const Fill& fill) { canvas_.paint(outline, fill, frame_); }
  Fill upper_fill() const {
    Fill fill = plain(w_.upper);
    fill.colour2 = w_.upper2;
    fill.split = 0.70f;
    if (a_.upper_pattern == "striped") fill.pattern = Fill::kStriped;
    if (a_.upper_pattern == "checked") fill.pattern = Fill::kChecked;
    if (a_.upper_pattern == "two-coloured") fill.pattern = Fill::kTwoColoured;
    if (a_.upper == "puffer jacket") {
      fill.pattern = Fill::kQuilted;
      if (a_.upper_pattern != "two-coloured") fill.split = 0;
    }
    if (a_.upper == "leather jacket") fill.gloss = 75;
    return fill;
  }

  float hem() const {
    if (a_.upper == "long coat") return 0.285f;
    if (a_.upper == "dress") return 0.275f;
    if (a_.upper == "leather jacket") return 0.475f;
    if (a_.upper == "jacket" || a_.upper == "shirt") return 0.445f;
    if (is_outerwear(a_.upper)) return 0.425f;
    return 0.462f;
  }

  /// sign: -1 the person's leg on the left of the picture, 1 on the right.
  void leg(float sign, float shade) {
    const float forward = sign * pose_.stride;  // this leg's swing along the walking direction
    const Point hip(sign * hip_ * 0.46f, kHip);
    Point foot(sign * hip_ * 0.42f * std::abs(facing_) + forward * 0.135f * side_,
               kAnkle - facing_ * forward * 0.028f);
    if (forward < 0) foot.y += 0.022f * std::abs(forward);  // the rear foot is lifted
    const float bend = (forward < 0 ? 0.035f * -forward : 0.012f) * side_;
    const Point knee((hip.x + foot.x) * 0.5f + bend, kKnee + (foot.y - kAnkle) * 0.5f);
    const bool bare = a_.lower == "shorts" || a_.lower == "skirt" || a_.lower.empty();
    const float slim = woman_ ? 0.88f : 1.0f;
    const float direction = std::abs(side_) > 0.3f ? (side_ > 0 ? 1.0f : -1.0f) : 0.0f;
    Fill shoe = plain(w_.shoes, shade);
    shoe.roundness = 0.4f;
    paint(Outline().ellipse({foot.x + direction * 0.022f, foot.y - 0.014f - 0.004f * facing_},
                            0.024f + 0.017f * std::abs(side_), 0.017f + 0.006f * std::abs(facing_)),
          shoe);
    if (bare) {
      Fill skin = plain(w_.skin, shade);
      skin.folds = 0.3f;
      paint(Outline().limb(knee, 0.030f * slim, foot, 0.018f).limb(hip, 0.045f * slim, knee, 0.031f * slim),
            skin);
      if (a_.lower != "shorts") return;
      paint(
          Outline().limb({hip.x, hip.y}, 0.052f, {knee.x + (hip.x - knee.x) * 0.12f, kKnee + 0.03f}, 0.047f),
          plain(w_.lower, shade));
      return;
    }
    const bool jeans = a_.lower == "jeans";
    const float cuff = jeans ? 0.029f : 0.031f;
    Fill cloth = plain(w_.lower, shade);
    cloth.folds = jeans ? 1.7f : 1.0f;
    paint(Outline()
              .limb(hip, 0.052f * slim * pose_.build, knee, 0.038f * slim)
              .limb(knee, 0.038f * slim, {foot.x, foot.y + 0.008f}, cuff),
          cloth);
    if (jeans)  // denim is worn pale on the thigh
      paint(Outline().limb({hip.x * 0.9f + knee.x * 0.1f, hip.y - 0.03f}, 0.014f, {knee.x, knee.y + 0.03f},
                           0.011f),
            plain(w_.lower, shade * 1.22f));
  }

  void skirt() {
    if (a_.lower != "skirt") return;
    const float sway = pose_.stride * 0.012f, low = 0.285f;
    paint(Outline().polygon({{-waist_, 0.52f},
                             {waist_, 0.52f},
                             {hip_ + 0.006f, kHip},
                             {hip_ + 0.032f + sway, low},
                             {-hip_ - 0.032f + sway, low},
                             {-hip_ - 0.006f, kHip}}),
          plain(w_.lower));
  }

  void torso() {
    const float low = hem(), flare = a_.upper == "dress" ? 0.040f : a_.upper == "long coat" ? 0.020f : 0.0f;
    const float edge = hip_ + flare;
    const float ease = a_.upper == "hoodie" || a_.upper == "sweater" ? -0.004f : 0.0f;
    const Outline body = Outline().polygon({{-0.035f, kNeck + 0.010f},
                                            {0.035f, kNeck + 0.010f},
                                            {shoulder_ * 0.78f, kShoulder + 0.012f},
                                            {shoulder_, kShoulder - 0.018f},
                                            {shoulder_ * 0.97f, 0.72f},
                                            {waist_, kWaist + 0.03f},
                                            {hip_ + ease, kHip + 0.02f},
                                            {edge + ease, low},
                                            {-edge - ease, low},
                                            {-hip_ - ease, kHip + 0.02f},
                                            {-waist_, kWaist + 0.03f},
                                            {-shoulder_ * 0.97f, 0.72f},
                                            {-shoulder_, kShoulder - 0.018f},
                                            {-shoulder_ * 0.78f, kShoulder + 0.012f}});
    Fill neck = plain(w_.skin, 0.85f);
    paint(Outline().limb({0, kNeck - 0.02f}, 0.034f, {0.01f * side_, kHead - 0.03f}, 0.030f), neck);
    paint(body, cloth_);
    details(low, edge);
  }

  /// Openings, collars, hoods and hems.
  void details(float low, float edge) {
    const Colour dark = w_.upper * 0.55f + Colour::all(luma(w_.upper) < 60 ? 26.0f : 0.0f);
    const float centre = 0.045f * side_;  // the front's middle turns with the body
    const std::string& type = a_.upper;
    if (pose_.front()) {
      if (type == "t-shirt" || type == "dress")
        paint(Outline().ellipse({centre, kNeck + 0.004f}, 0.034f, 0.024f), plain(w_.skin, 0.92f));
      if (!a_.inner_colour.empty()) {
        paint(Outline().polygon({{centre - 0.030f, kNeck + 0.012f},
                                 {centre + 0.030f, kNeck + 0.012f},
                                 {centre + 0.024f, 0.66f},
                                 {centre + 0.030f, low + 0.02f},
                                 {centre - 0.030f, low + 0.02f},
                                 {centre - 0.024f, 0.66f}}),
              plain(w_.inner));
      } else if (is_outerwear(type) || type == "shirt") {
        canvas_.line({centre, kNeck}, {centre, low}, dark, 0.006f, frame_);
      }
      if (type == "long coat" && a_.inner_colour.empty()) {
        canvas_.line({centre - 0.03f, kNeck}, {centre, 0.70f}, dark, 0.006f, frame_);
        canvas_.line({centre + 0.03f, kNeck}, {centre, 0.70f}, dark, 0.006f, frame_);
      }
      if (type == "shirt") {
        paint(Outline().polygon({{centre - 0.042f, kNeck + 0.012f},
                                 {centre, 0.80f},
                                 {centre + 0.042f, kNeck + 0.012f},
                                 {centre, kNeck}}),
              plain(w_.upper, luma(w_.upper) > 200 ? 0.85f : 1.25f));
      }
      if (type == "hoodie")  // the front pocket
        paint(Outline().polygon({{centre - 0.045f, 0.575f},
                                 {centre + 0.045f, 0.575f},
                                 {centre + 0.062f, 0.505f},
                                 {centre - 0.062f, 0.505f}}),
              lower_part(0.80f));
    }
    if (has_hood(type)) {
      const Fill hood = plain(w_.upper, luma(w_.upper) < 60 ? 1.5f : 0.80f);
      if (pose_.back())
        paint(Outline().ellipse({0, 0.80f}, 0.062f, 0.050f), hood);
      else
        paint(Outline().ellipse({-0.02f * side_, kNeck + 0.002f}, 0.068f, 0.026f), hood);
    }
    if (type == "sweater" || type == "hoodie")
      paint(Outline().polygon({{-edge, low + 0.018f},
                               {edge, low + 0.018f},
                               {edge - 0.006f, low - 0.004f},
                               {-edge + 0.006f, low - 0.004f}}),
            lower_part(0.78f));
    if (type == "puffer jacket" || type == "jacket" || type == "leather jacket")  // the collar stands
      paint(Outline().ellipse({0.008f * side_, kNeck + 0.004f}, 0.042f, 0.020f),
            plain(w_.upper, luma(w_.upper) < 60 ? 1.35f : 0.85f));
    if (type == "dress")
      canvas_.line({-waist_, kWaist + 0.03f}, {waist_, kWaist + 0.03f}, dark, 0.010f, frame_);
  }

  Fill lower_part(float shade) const {
    return plain(a_.upper_pattern == "two-coloured" ? w_.upper2 : w_.upper, shade);
  }

  Point hand(float sign) const {
    const float swing = -sign * pose_.stride;  // opposite to the leg of the same side
    return {sign * (shoulder_ + 0.012f) * std::abs(facing_) + swing * 0.105f * side_ + sign * 0.015f,
            0.475f + 0.02f * std::abs(swing) - 0.012f * facing_ * swing};
  }

  void arm(float sign, float shade) {
    const float swing = -sign * pose_.stride;
    const Point shoulder(sign * shoulder_ * 0.86f * std::max(0.25f, std::abs(facing_)), kShoulder - 0.016f);
    const Point end = hand(sign);
    const Point elbow(
        (shoulder.x + end.x) * 0.5f + sign * 0.014f * std::abs(facing_) - 0.020f * side_ * std::abs(swing),
        0.64f);
    const bool bulky = a_.upper == "puffer jacket";
    const float r = (woman_ ? 0.031f : 0.035f) * pose_.build + (is_outerwear(a_.upper) ? 0.004f : 0.0f) +
                    (bulky ? 0.007f : 0.0f);
    Fill skin = plain(w_.skin, shade);
    skin.folds = 0.3f;
    Fill sleeve = cloth_;
    sleeve.shade = shade;
    if (sleeve.pattern == Fill::kTwoColoured) sleeve.split = a_.upper == "t-shirt" ? 0 : 0.66f;
    if (a_.upper == "t-shirt" || a_.upper == "dress") {
      paint(Outline()
                .limb(elbow, 0.022f, end, 0.017f)
                .ellipse(end, 0.019f, 0.023f)
                .limb(shoulder, 0.026f, elbow, 0.023f),
            skin);
      const Point cut = shoulder * 0.32f + elbow * 0.68f;
      paint(Outline().limb(shoulder, r, cut, r * 0.95f), sleeve);
      return;
    }
    paint(Outline().ellipse({end.x, end.y - 0.012f}, 0.019f, 0.022f), skin);
    paint(Outline()
              .limb(shoulder, r, elbow, r * 0.86f)
              .limb(elbow, r * 0.86f, {end.x, end.y + 0.014f}, r * 0.66f),
          sleeve);
  }

  /// A backpack is behind the body (before_body) when the person faces us, and before it else.
  void bag(bool before_body) {
    if (a_.bag == "handbag" && before_body && !pose_.front()) hand_bag();
    if (a_.bag != "backpack") return;
    const float x = -0.085f * side_;
    if (before_body) {
      paint(Outline().polygon(
                {{x - 0.085f, 0.79f}, {x + 0.085f, 0.79f}, {x + 0.080f, 0.58f}, {x - 0.080f, 0.58f}}),
            plain(w_.bag, 0.8f));
      return;
    }
    const float half = width(0.082f, 0.050f);
    paint(Outline()
              .polygon({{x - half, 0.775f},
                        {x + half, 0.775f},
                        {x + half * 1.08f, 0.575f},
                        {x - half * 1.08f, 0.575f}})
              .ellipse({x, 0.77f}, half, 0.035f),
          plain(w_.bag));
    paint(Outline().polygon({{x - half * 0.7f, 0.66f},
                             {x + half * 0.7f, 0.66f},
                             {x + half * 0.7f, 0.59f},
                             {x - half * 0.7f, 0.59f}}),
          plain(w_.bag, 0.75f));
  }

  void straps() {
    if (a_.bag != "backpack") return;
    const float x = 0.03f * side_;
    for (const float s : {-1.0f, 1.0f})
      canvas_.line({x + s * shoulder_ * 0.56f, kShoulder + 0.01f}, {x + s * shoulder_ * 0.62f, 0.64f},
                   w_.bag * 0.9f, 0.024f, frame_);
  }

  void hand_bag() {
    const float sign = side_ > 0 ? 1.0f : -1.0f;
    if (a_.bag == "handbag") {
      const Point h = hand(sign);
      canvas_.line({h.x - 0.018f, h.y - 0.05f}, {h.x, h.y - 0.01f}, w_.bag * 0.7f, 0.008f, frame_);
      canvas_.line({h.x + 0.018f, h.y - 0.05f}, {h.x, h.y - 0.01f}, w_.bag * 0.7f, 0.008f, frame_);
      paint(Outline().polygon({{h.x - 0.042f, h.y - 0.045f},
                               {h.x + 0.042f, h.y - 0.045f},
                               {h.x + 0.052f, h.y - 0.125f},
                               {h.x - 0.052f, h.y - 0.125f}}),
            plain(w_.bag));
    } else if (a_.bag == "shoulder bag") {
      const float x = sign * (hip_ + 0.018f) * std::max(0.45f, std::abs(facing_));
      canvas_.line({-sign * shoulder_ * 0.45f, kShoulder + 0.01f}, {x, 0.57f}, w_.bag * 0.75f, 0.013f,
                   frame_);
      paint(Outline().polygon(
                {{x - 0.050f, 0.575f}, {x + 0.050f, 0.575f}, {x + 0.054f, 0.475f}, {x - 0.054f, 0.475f}}),
            plain(w_.bag));
      canvas_.line({x - 0.05f, 0.545f}, {x + 0.05f, 0.545f}, w_.bag * 0.65f, 0.007f, frame_);
    }
  }

  void carried(float sign) {
    if (a_.carry == "none") return;
    const Point h = hand(sign);
    Fill fill = plain({238, 238, 234});
    fill.folds = 0.4f;
    if (a_.carry == "paper") {
      paint(Outline().polygon({{h.x - 0.055f, h.y + 0.012f},
                               {h.x + 0.040f, h.y + 0.030f},
                               {h.x + 0.055f, h.y - 0.040f},
                               {h.x - 0.040f, h.y - 0.058f}}),
            fill);
    } else if (a_.carry == "envelope") {
      fill.colour = {176, 132, 82};
      paint(Outline().polygon({{h.x - 0.034f, h.y + 0.004f},
                               {h.x + 0.034f, h.y + 0.004f},
                               {h.x + 0.034f, h.y - 0.10f},
                               {h.x - 0.034f, h.y - 0.10f}}),
            fill);
    } else if (a_.carry == "paper bag") {
      fill.colour = {202, 166, 120};
      canvas_.line({h.x - 0.03f, h.y - 0.05f}, {h.x, h.y - 0.01f}, {120, 90, 60}, 0.006f, frame_);
      canvas_.line({h.x + 0.03f, h.y - 0.05f}, {h.x, h.y - 0.01f}, {120, 90, 60}, 0.006f, frame_);
      paint(Outline().polygon({{h.x - 0.050f, h.y - 0.045f},
                               {h.x + 0.050f, h.y - 0.045f},
                               {h.x + 0.046f, h.y - 0.165f},
                               {h.x - 0.046f, h.y - 0.165f}}),
            fill);
    } else {  // an umbrella, closed
      fill.colour = {28, 28, 34};
      paint(Outline().polygon({{h.x - 0.012f, h.y + 0.05f},
                               {h.x + 0.012f, h.y + 0.05f},
                               {h.x + 0.022f, h.y - 0.06f},
                               {h.x + 0.004f, 0.10f},
                               {h.x - 0.004f, 0.10f},
                               {h.x - 0.022f, h.y - 0.06f}}),
            fill);
    }
  }

  Canvas& canvas_;
  const Attributes& a_;
  const Wardrobe& w_;
  const Pose& pose_;
  const Frame& frame_;
  const bool woman_;
  const float facing_, side_;
  float shoulder_, waist_, hip_;
  Fill cloth_;
};

}  // namespace

void draw_figure(Canvas& canvas, const Attributes& attributes, const Wardrobe& wardrobe, const Pose& pose,
                 const Frame& frame) {
  Painter(canvas, attributes, wardrobe, pose, frame).draw();
}

}  // namespace edgeclip::synthetic
