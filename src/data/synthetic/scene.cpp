#include "data/synthetic/scene.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <opencv2/imgproc.hpp>

namespace edgeclip::synthetic {
namespace {

/// A colour to vary.  Draws between its braces come in the order written; those among the arguments of a call
/// would not, and the picture would depend on the compiler.
struct BaseColour {
  double hue, saturation, value;
};

Colour tint(BaseColour colour, Rng& rng) {
  colour.hue += rng.uniform(-12, 12);
  colour.saturation *= rng.uniform(0.7, 1.3);
  colour.value *= rng.uniform(0.85, 1.15);
  return rgb_from_hsv(colour.hue, colour.saturation, colour.value);
}

/// Fills one side of a slanted line, as a path or a lawn seen from above.
void half_plane(cv::Mat& image, const Colour& colour, Rng& rng) {
  const int w = image.cols, h = image.rows;
  const int left = static_cast<int>(rng.uniform(-0.2, 1.1) * h),
            right = left + static_cast<int>(rng.uniform(-0.6, 0.6) * h);
  const int end = rng.chance(0.5) ? -h : 2 * h;
  const cv::Point points[] = {{0, left}, {w, right}, {w, end}, {0, end}};
  cv::fillConvexPoly(image, points, 4, scalar(colour));
}

void ground_lines(cv::Mat& image, Rng& rng) {
  const int w = image.cols, h = image.rows;
  const std::array<Colour, 3> paints = {Colour(222, 190, 70), Colour(228, 228, 224), Colour(150, 175, 215)};
  const Colour colour = paints[static_cast<std::size_t>(rng.below(3))];
  const cv::Point a(0, static_cast<int>(rng.uniform(0, 1) * h)),
      b(w, static_cast<int>(rng.uniform(0, 1) * h));
  const int thick = rng.range(2, 6), gap = thick * 3;
  cv::line(image, a, b, scalar(colour), thick);
  if (rng.chance(0.5)) cv::line(image, {a.x, a.y + gap}, {b.x, b.y + gap}, scalar(colour), thick);
}

/// Red-white tape, as around a building site.
void tape(cv::Mat& image, Rng& rng) {
  const int y0 = static_cast<int>(rng.uniform(0.0, 0.5) * image.rows), y1 = y0 + rng.range(-60, 60);
  for (int k = 0; k < 12; ++k) {
    const auto at = [&](int i) { return cv::Point(image.cols * i / 12, y0 + (y1 - y0) * i / 12); };
    cv::line(image, at(k), at(k + 1), k % 2 ? cv::Scalar(225, 225, 222) : cv::Scalar(190, 60, 60), 5);
  }
}

void slabs(cv::Mat& image, const Colour& ground, Rng& rng) {
  const Colour joint = ground * rng.uniform(0.75, 0.92);
  const int step = rng.range(26, 60), slant = rng.range(-30, 30);
  for (int y = rng.range(0, step); y < image.rows; y += step)
    cv::line(image, {0, y}, {image.cols, y + slant}, scalar(joint), 2);
  for (int x = rng.range(-step, 0); x < image.cols + 40; x += step)
    cv::line(image, {x, 0}, {x + 2 * slant, image.rows}, scalar(joint), 2);
}

void car(cv::Mat& image, Rng& rng) {
  const int w = image.cols, h = image.rows;
  const int x = rng.chance(0.5) ? rng.range(-w, -w / 3) : rng.range(w / 2, w), y = rng.range(0, h / 2),
            length = rng.range(w, 2 * w), tall = rng.range(h / 8, h / 4);
  const Colour paint = tint({rng.uniform(0, 360), 0.35, rng.uniform(0.2, 0.85)}, rng);
  cv::rectangle(image, {x, y, length, tall}, scalar(paint), -1);
  cv::rectangle(image, {x + length / 6, y - tall / 2, length * 2 / 3, tall / 2}, scalar(paint * 0.85f), -1);
  cv::rectangle(image, {x + length / 5, y - tall / 2 + 6, length * 3 / 5, tall / 2 - 8}, {60, 70, 82}, -1);
  for (const int wheel : {x + length / 5, x + length * 4 / 5})
    cv::circle(image, {wheel, y + tall}, tall / 3, {25, 25, 27}, -1);
}

void wall(cv::Mat& image, Rng& rng) {
  const int bottom = static_cast<int>(rng.uniform(0.15, 0.6) * image.rows);
  const Colour paint = tint({rng.uniform(10, 50), 0.22, rng.uniform(0.35, 0.85)}, rng);
  cv::rectangle(image, {0, 0, image.cols, bottom}, scalar(paint), -1);
  if (rng.chance(0.5)) {
    const int x = rng.range(-40, image.cols - 20), w = rng.range(40, 110), y = rng.range(-40, 20);
    const Colour pane = tint({215, 0.2, rng.uniform(0.15, 0.6)}, rng);
    cv::rectangle(image, {x, y, w, std::max(10, bottom - 30)}, scalar(pane), -1);
  }
  cv::line(image, {0, bottom}, {image.cols, bottom}, scalar(paint * 0.6f), 4);
}

void pole(cv::Mat& image, int x, int width, Rng& rng) {
  const Colour paint =
      tint({rng.uniform(0, 360), rng.chance(0.2) ? 0.6 : 0.05, rng.uniform(0.25, 0.85)}, rng);
  cv::rectangle(image, {x, 0, width, image.rows}, scalar(paint), -1);
  cv::rectangle(image, {x, 0, std::max(1, width / 3), image.rows}, scalar(paint * 1.15f), -1);
}

/// Other people and things, too small or too far out to be described.
void blob(cv::Mat& image, Rng& rng) {
  const int w = image.cols, h = image.rows;
  const int x = rng.chance(0.5) ? rng.range(-24, 14) : rng.range(w - 14, w + 24), y = rng.range(0, h);
  const cv::Size size{rng.range(10, 30), rng.range(20, 90)};
  const double slant = rng.uniform(-15, 15);
  const Colour paint = tint({rng.uniform(0, 360), rng.uniform(0, 0.7), rng.uniform(0.1, 0.9)}, rng);
  cv::ellipse(image, {x, y}, size, slant, 0, 360, scalar(paint), -1);
}

}  // namespace

void draw_background(Canvas& canvas, Rng& rng) {
  cv::Mat& image = canvas.image;
  const Colour ground =
      rng.chance(0.12) ? tint({95, 0.5, 0.36}, rng)
                       : tint({rng.uniform(20, 230), rng.uniform(0, 0.14), rng.uniform(0.38, 0.85)}, rng);
  image.setTo(scalar(ground));
  if (rng.chance(0.25)) slabs(image, ground, rng);
  if (rng.chance(0.45))
    half_plane(image,
               rng.chance(0.4)   ? tint({95, 0.55, 0.34}, rng)
               : rng.chance(0.4) ? tint({28, 0.3, 0.5}, rng)
                                 : ground * rng.uniform(0.7, 1.2),
               rng);
  if (rng.chance(0.18)) wall(image, rng);
  if (rng.chance(0.12)) car(image, rng);
  if (rng.chance(0.3)) ground_lines(image, rng);
  if (rng.chance(0.10)) tape(image, rng);
  if (rng.chance(0.12)) {
    const int x = rng.range(0, image.cols);
    pole(image, x, rng.range(6, 18), rng);
  }
  for (int k = rng.chance(0.3) ? rng.range(1, 2) : 0; k > 0; --k) blob(image, rng);

  // A gradient over the picture and the grain of the ground.
  const float slope = static_cast<float>(rng.uniform(-0.14, 0.14)),
              across = static_cast<float>(rng.uniform(-0.10, 0.10));
  const auto grain = static_cast<float>(rng.uniform(1, 9));
  cv::Mat noise(image.rows / 6 + 2, image.cols / 6 + 2, CV_8U), field;
  for (int y = 0; y < noise.rows; ++y)
    for (int x = 0; x < noise.cols; ++x)
      noise.at<std::uint8_t>(y, x) = static_cast<std::uint8_t>(rng.below(256));
  cv::resize(noise, field, image.size(), 0, 0, cv::INTER_LINEAR);
  for (int y = 0; y < image.rows; ++y) {
    auto* row = image.ptr<cv::Vec3b>(y);
    const std::uint8_t* f = field.ptr<std::uint8_t>(y);
    const float vertical = 1 + slope * (2.0f * static_cast<float>(y) / static_cast<float>(image.rows) - 1);
    for (int x = 0; x < image.cols; ++x) {
      const float gain =
          vertical + across * (2.0f * static_cast<float>(x) / static_cast<float>(image.cols) - 1);
      const float add = (static_cast<float>(f[x]) - 128.0f) / 128.0f * grain;
      for (int c = 0; c < 3; ++c)
        row[x][c] = cv::saturate_cast<std::uint8_t>(static_cast<float>(row[x][c]) * gain + add);
    }
  }
}

void draw_shadow(Canvas& canvas, const Frame& frame, Rng& rng) {
  if (rng.chance(0.35)) return;
  const float h = frame.height;
  const bool contact = rng.chance(0.5);  // diffuse light: only a dark spot below the feet
  const auto angle = static_cast<float>(rng.uniform(-70, 70));
  const float length = contact ? 0.11f : static_cast<float>(rng.uniform(0.2, 0.5));
  const float radians = (contact ? 0.0f : angle) * 0.017453293f;
  const Point centre(
      frame.foot_x + (contact ? 0.0f : std::cos(radians) * length * 0.8f * h * (angle < 0 ? -1.0f : 1.0f)),
      frame.foot_y - (contact ? 0.01f : std::abs(std::sin(radians)) * length * 0.5f) * h);
  cv::Mat mask(canvas.image.size(), CV_8U, cv::Scalar(0));
  cv::ellipse(mask, cv::Point(cvRound(centre.x), cvRound(centre.y)),
              cv::Size(cvRound((contact ? 0.14f : length) * h), cvRound(0.045f * h)),
              contact ? 0 : (angle < 0 ? -angle * 0.3 : -angle * 0.3), 0, 360, 255, -1);
  const int keep = rng.range(130, 200);  // of 256
  for (int y = 0; y < mask.rows; ++y) {
    const std::uint8_t* m = mask.ptr<std::uint8_t>(y);
    auto* row = canvas.image.ptr<cv::Vec3b>(y);
    for (int x = 0; x < mask.cols; ++x)
      if (m[x])
        for (int c = 0; c < 3; ++c) row[x][c] = static_cast<std::uint8_t>(row[x][c] * keep >> 8);
  }
}

void draw_occluder(Canvas& canvas, const Frame& frame, Rng& rng) {
  if (!rng.chance(0.14)) return;
  cv::Mat& image = canvas.image;
  const double kind = rng.uniform();
  const auto half = 0.15f * frame.height;
  if (kind < 0.35) {  // a pole or a sign post at the side
    const float side = rng.chance(0.5) ? 1.0f : -1.0f;
    const float offset = side * static_cast<float>(rng.uniform(0.5, 1.0)) * half;
    pole(image, static_cast<int>(frame.foot_x + offset), rng.range(6, 16), rng);
  } else if (kind < 0.7) {  // a low wall, hedge or car before the feet
    const int top = static_cast<int>(frame.foot_y - rng.uniform(0.05, 0.2) * frame.height);
    const Colour paint = rng.chance(0.4) ? tint({100, 0.5, 0.3}, rng)
                                         : tint({rng.uniform(0, 360), 0.2, rng.uniform(0.3, 0.8)}, rng);
    cv::rectangle(image, {0, top, image.cols, image.rows}, scalar(paint), -1);
    cv::line(image, {0, top}, {image.cols, top}, scalar(paint * 0.7f), 4);
  } else {  // somebody's shoulder at the edge
    const bool left = rng.chance(0.5);
    const int x = static_cast<int>(frame.foot_x + (left ? -1.15f : 1.15f) * half);
    const Colour cloth = tint({rng.uniform(0, 360), rng.uniform(0, 0.6), rng.uniform(0.1, 0.7)}, rng);
    const int y = rng.range(image.rows / 3, image.rows);
    cv::ellipse(image, {x + (left ? -36 : 36), y}, {44, rng.range(60, 150)}, 0, 0, 360, scalar(cloth), -1);
  }
}

Image photograph(const Canvas& canvas, int width, int height, Rng& rng) {
  cv::Mat small;
  cv::resize(canvas.image, small, {width, height}, 0, 0, cv::INTER_AREA);
  if (rng.chance(0.6)) {  // the person was far from the camera: fewer real pixels than the crop has
    const double scale = rng.uniform(0.45, 0.95);
    cv::Mat far;
    cv::resize(small, far, {std::max(1, cvRound(width * scale)), std::max(1, cvRound(height * scale))}, 0, 0,
               cv::INTER_AREA);
    cv::resize(far, small, {width, height}, 0, 0, rng.chance(0.5) ? cv::INTER_LINEAR : cv::INTER_CUBIC);
  } else if (rng.chance(0.3)) {
    cv::GaussianBlur(small, small, {3, 3}, rng.uniform(0.4, 0.9));
  }
  if (rng.chance(0.6)) {  // colour at half resolution, as JPEG and video codecs keep it
    cv::Mat ycc, chroma;
    cv::cvtColor(small, ycc, cv::COLOR_RGB2YCrCb);
    cv::resize(ycc, chroma, {std::max(1, width / 2), std::max(1, height / 2)}, 0, 0, cv::INTER_AREA);
    cv::resize(chroma, chroma, {width, height}, 0, 0, cv::INTER_LINEAR);
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        for (int c = 1; c < 3; ++c) ycc.at<cv::Vec3b>(y, x)[c] = chroma.at<cv::Vec3b>(y, x)[c];
    cv::cvtColor(ycc, small, cv::COLOR_YCrCb2RGB);
  }
  std::array<std::array<std::uint8_t, 256>, 3> curve;
  const double exposure = rng.uniform(0.72, 1.20), contrast = rng.uniform(0.85, 1.22),
               gamma = rng.uniform(0.85, 1.18), haze = rng.chance(0.25) ? rng.uniform(0, 22) : 0;
  for (auto& channel : curve) {
    const double gain = exposure * rng.uniform(0.94, 1.06);
    for (int v = 0; v < 256; ++v) {
      const double x = 255 * std::pow(std::min(1.0, v / 255.0 * gain), gamma);
      channel[static_cast<std::size_t>(v)] =
          cv::saturate_cast<std::uint8_t>((x - 110) * contrast + 110 + haze);
    }
  }
  const int noise = rng.range(1, 9);
  Image image(width, height);
  for (int y = 0; y < height; ++y) {
    const auto* in = small.ptr<cv::Vec3b>(y);
    std::uint8_t* out = image.row(y);
    for (int x = 0; x < width; ++x) {
      // One draw serves a pixel: a common and three own noises, each nearly triangular.
      const std::uint64_t bits = rng.next();
      const auto part = [&](int k) { return static_cast<int>(bits >> (8 * k) & 255) - 128; };
      const int common = (part(0) + part(1)) * noise;
      for (int c = 0; c < 3; ++c)
        out[3 * x + c] = cv::saturate_cast<std::uint8_t>(
            curve[static_cast<std::size_t>(c)][in[x][c]] +
            (common + (part(2 + 2 * c) + part((3 + 2 * c) & 7)) * noise / 2) / 256);
    }
  }
  return image;
}

}  // namespace edgeclip::synthetic
