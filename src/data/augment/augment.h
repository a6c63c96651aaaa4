#pragma once

#include <string>

#include "base/options.h"
#include "data/augment/color.h"
#include "data/augment/crops.h"
#include "data/augment/erasing.h"
#include "data/augment/flip.h"
#include "data/augment/tokens.h"
#include "data/image/transform.h"

namespace edgeclip {

/// What is drawn anew for each image and caption in each epoch; everything is off by default.
struct AugmentOptions {
  FlipOptions flip;
  ResizedCropOptions resized_crop;
  PadCropOptions pad_crop;
  ColorJitterOptions color_jitter;
  GreyscaleOptions greyscale;
  ErasingOptions erasing;
  TokenAugmentOptions tokens;

  template <class Visitor>
  void fields(Visitor& v) {
    v("flip", flip, "random horizontal flip");
    v("resized_crop", resized_crop, "random part of the image instead of the usual resize");
    v("pad_crop", pad_crop, "random shift");
    v("color_jitter", color_jitter, "random brightness, contrast, saturation, hue");
    v("greyscale", greyscale, "random greyscale");
    v("erasing", erasing, "random erased rectangle");
    v("tokens", tokens, "random token dropout and masking of captions");
  }
  void validate(const std::string& where) const;
  /// Whether images are changed at all.
  bool changes_images() const;
};

/// Turns decoded pixels into a tower's input with random changes: resized crop or the transform's resize,
/// flip, pad and crop, colours, greyscale, normalization, erasing.  Thread-safe.
class ImageAugmenter {
 public:
  ImageAugmenter(const AugmentOptions& options, const ImageTransform& transform)
      : options_(options), transform_(transform) {}

  /// Reads what augment() wants: the whole image if parts of it are drawn, else the image after resize and
  /// crop (smaller, and resized once when it is kept in memory).  Throws InvalidInput naming the file.
  Image read(const std::filesystem::path& path) const;

  /// image: of read().  rng: of this image and epoch; equal rng, equal pixels.  out: (3, height, width)
  /// float32.  Returns whether a random change was made (flip among them), though it may be one that shows in
  /// no pixel (grey of a grey image).
  bool augment(const Image& image, bool flip, Rng rng, float* out) const;

 private:
  bool draws_parts() const { return options_.resized_crop.probability > 0; }

  AugmentOptions options_;
  ImageTransform transform_;
};

}  // namespace edgeclip
