#pragma once

#include <string>

#include "base/options.h"
#include "base/rng.h"
#include "data/image/image.h"

namespace edgeclip {

/// Random brightness, contrast, saturation and hue, in random order, as torchvision's ColorJitter computes
/// them on Pillow images.  Each amount a draws its factor from [max(0, 1 - a), 1 + a]; hue its turn from
/// [-hue, hue] of the circle.
struct ColorJitterOptions {
  double probability = 1;  ///< of each image; the amounts are what is off by default
  double brightness = 0, contrast = 0, saturation = 0;
  double hue = 0;  ///< at most 0.5

  template <class Visitor>
  void fields(Visitor& v) {
    v("probability", probability, "of an image whose colours change");
    v("brightness", brightness, "its factor is drawn from [1 - b, 1 + b], not below 0; 0: off");
    v("contrast", contrast, "likewise");
    v("saturation", saturation, "likewise");
    v("hue", hue, "its turn is drawn from [-hue, hue] of the circle, at most 0.5; 0: off");
  }
  void validate(const std::string& where) const;
  bool on() const { return probability > 0 && (brightness > 0 || contrast > 0 || saturation > 0 || hue > 0); }
};

/// Random greyscale (three equal channels).
struct GreyscaleOptions {
  double probability = 0;

  template <class Visitor>
  void fields(Visitor& v) {
    v("probability", probability, "of a grey image; 0: off");
  }
  void validate(const std::string& where) const;
};

/// Returns whether the image was one whose colours change.
bool jitter_colors(Image& image, const ColorJitterOptions& options, Rng& rng);

// Bit-identical to Pillow (ImageEnhance, convert) and to torchvision's functional.adjust_* on Pillow images;
// factor >= 0, 1 changes nothing.
void adjust_brightness(Image& image, float factor);  ///< 0: black
void adjust_contrast(Image& image, float factor);    ///< 0: the mean grey
void adjust_saturation(Image& image, float factor);  ///< 0: greyscale
void adjust_hue(Image& image, double turn);  ///< of the circle, [-0.5, 0.5], through Pillow's 8-bit HSV
void make_greyscale(Image& image);           ///< ITU-R 601-2 luma, as convert("L")

}  // namespace edgeclip
