#pragma once

#include <string>

#include "base/options.h"
#include "base/rng.h"
#include "data/image/image.h"

namespace edgeclip {

/// Padding on all sides, then a crop of the old size anywhere in it: the person shifts by up to `pixels`.
struct PadCropOptions {
  int pixels = 0;
  std::string fill = "black";  ///< of the padding: "black" | "edge" (the border pixels repeated)

  template <class Visitor>
  void fields(Visitor& v) {
    v("pixels", pixels, "padding on each side of the resized image before the random crop; 0: off");
    v("fill", fill, "what the padding shows", {"black", "edge"});
  }
  void validate(const std::string& where) const;
};

/// A random part of the image, resized to the tower's input (GoogLeNet's augmentation, as torchvision's
/// RandomResizedCrop).  Takes the place of the transform's resize and crop.
struct ResizedCropOptions {
  double probability = 0;
  double scale_min = 0.6, scale_max = 1;  ///< area of the part, relative to the image
  /// Width / height of the part relative to that of the tower's input: 1 keeps the proportions.  For square
  /// inputs this is torchvision's ratio.
  double ratio_min = 0.75, ratio_max = 4.0 / 3;

  template <class Visitor>
  void fields(Visitor& v) {
    v("probability", probability, "of a random part instead of the usual resize; 0: off");
    v("scale_min", scale_min, "smallest area of the part, relative to the image");
    v("scale_max", scale_max, "largest");
    v("ratio_min", ratio_min, "smallest width / height of the part, relative to the tower's input");
    v("ratio_max", ratio_max, "largest");
  }
  void validate(const std::string& where) const;
};

struct Region {
  int x = 0, y = 0, width = 0, height = 0;
};

/// The image shifted by (dx, dy) pixels, |dx| and |dy| at most its size: out(x, y) = image(x + dx, y + dy).
Image shift(const Image& image, int dx, int dy, const std::string& fill);

/// A part of a width x height image for a tower's input of the given proportions (width / height).  Ten
/// draws; then the largest centred part within the ratios.
Region draw_resized_crop(int width, int height, double proportions, const ResizedCropOptions& options,
                         Rng& rng);

}  // namespace edgeclip
