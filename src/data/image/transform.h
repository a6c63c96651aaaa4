#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/options.h"
#include "data/image/image.h"

namespace edgeclip {

/// From decoded pixels to what an image tower sees.  Part of the bundle, so training and deployment share it.
struct ImageTransform {
  int height = 96, width = 48;      ///< pixels after resize and crop
  std::string resize = "stretch";   ///< "stretch" | "shortest_crop" (shortest side, then centre crop)
  std::string filter = "bilinear";  ///< "bilinear" | "bicubic", antialiased, Pillow's fixed-point arithmetic
  std::vector<double> mean = {0.48145466, 0.4578275, 0.40821073};  ///< per RGB channel, of values in [0, 1]
  std::vector<double> std = {0.26862954, 0.26130258, 0.27577711};

  template <class Visitor>
  void fields(Visitor& v) {
    v("height", height, "rows of the tower's input, pixels");
    v("width", width, "columns of the tower's input, pixels");
    v("resize", resize, "stretch to (height, width), or shortest side and centre crop",
      {"stretch", "shortest_crop"});
    v("filter", filter, "antialiased resize filter", {"bilinear", "bicubic"});
    v("mean", mean, "subtracted per RGB channel, of values in [0, 1]");
    v("std", std, "divides per RGB channel");
  }
  void validate(const std::string& where) const;
};

/// Antialiased resize with Pillow's fixed-point rounding (Pillow, src/libImaging/Resample.c).
Image resize_image(const Image& image, int width, int height, const std::string& filter);

/// Resize and crop: uint8 (height, width, 3).
Image transform_geometry(const Image& image, const ImageTransform& transform);

/// Normalizes what transform_geometry() gave: uint8 (H, W, 3) to (3, H, W) float32 in out; flip mirrors left
/// and right. Thread-safe.
void normalize_pixels(const Image& image, const ImageTransform& transform, bool flip, float* out);

/// Resize, crop, normalize: (3, height, width) float32 into out.  Thread-safe.
void transform_image(const Image& image, const ImageTransform& transform, float* out);

/// transform_geometry() of a file.  Throws InvalidInput naming it.  Thread-safe.
Image load_image(const std::filesystem::path& path, const ImageTransform& transform);

}  // namespace edgeclip
