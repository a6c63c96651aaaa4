#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/options.h"
#include "data/image/image.h"

namespace edgeclip {

/// From decoded pixels to what an image tower sees.  Part of the bundle, so training and deployment share it.
struct ImageTransform {
  int height = 96, width = 48;     ///< pixels after resize and crop
  std::string resize = "stretch";  ///< "stretch" | "shortest_crop" (shortest side, then centre crop)
  int shortest = 0;  ///< shortest_crop: length of the resized shortest side; 0: the crop just fits
  std::string filter = "bilinear";          ///< as in resample.h
  std::string crop_rounding = "half_even";  ///< of half a pixel of margin: torchvision's "half_even" |
                                            ///< "floor" (Hugging Face)
  std::string exif = "ignore";              ///< orientation: "ignore" (Pillow's open, openai/CLIP) | "apply"
  bool fast_decode =
      false;  ///< JPEG decoded at 1/2, 1/4 or 1/8 where that is still large enough: other pixels
  std::vector<double> mean = {0.48145466, 0.4578275, 0.40821073};  ///< per RGB channel, of values in [0, 1]
  std::vector<double> std = {0.26862954, 0.26130258, 0.27577711};

  template <class Visitor>
  void fields(Visitor& v) {
    v("height", height, "rows of the tower's input, pixels");
    v("width", width, "columns of the tower's input, pixels");
    v("resize", resize, "stretch to (height, width), or shortest side and centre crop",
      {"stretch", "shortest_crop"});
    v("shortest", shortest, "shortest_crop: length of the resized shortest side; 0: the crop just fits");
    v("filter", filter, "Pillow's resize filter", {"bilinear", "bicubic", "lanczos", "box", "nearest"});
    v("crop_rounding", crop_rounding, "of half a pixel of margin: torchvision's or Hugging Face's rule",
      {"half_even", "floor"});
    v("exif", exif, "orientation that the camera wrote into the file", {"ignore", "apply"});
    v("fast_decode", fast_decode, "JPEG decoded at a smaller scale where that is large enough: other pixels");
    v("mean", mean, "subtracted per RGB channel, of values in [0, 1]");
    v("std", std, "divides per RGB channel");
  }
  void validate(const std::string& where) const;
};

/// Pillow's image.resize((width, height), filter).
Image resize_image(const Image& image, int width, int height, const std::string& filter);

/// Resize and crop: uint8 (height, width, 3).
Image transform_geometry(const Image& image, const ImageTransform& transform);

/// Normalizes what transform_geometry() gave: uint8 (H, W, 3) to (3, H, W) float32 in out; flip mirrors left
/// and right. Thread-safe.
void normalize_pixels(const Image& image, const ImageTransform& transform, bool flip, float* out);

/// Resize, crop, normalize: (3, height, width) float32 into out.  Thread-safe.
void transform_image(const Image& image, const ImageTransform& transform, float* out);

/// How a file is decoded for the transform.  whole: at full size, whatever fast_decode says.
ReadOptions read_options(const ImageTransform& transform, bool whole = false);

/// transform_geometry() of a file.  Throws InvalidInput naming it.  Thread-safe.
Image load_image(const std::filesystem::path& path, const ImageTransform& transform);
/// The same of a file's bytes; name: for messages.
Image load_image(const std::string& bytes, const std::string& name, const ImageTransform& transform);

}  // namespace edgeclip
