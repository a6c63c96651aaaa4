#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/image/image.h"

/// Pillow's resize (Pillow, src/libImaging/Resample.c), equal to the last bit: two passes with weights of 22
/// fraction bits, rounded to 8 bits between them; the filter grows with the step, so that nothing aliases.
namespace edgeclip {

enum class Filter { kNearest, kBox, kBilinear, kBicubic, kLanczos };

/// "nearest" | "box" | "bilinear" | "bicubic" | "lanczos".  Throws InvalidInput "{where}filter: ..."
/// otherwise.
Filter filter_named(const std::string& name, const std::string& where = "");

/// Fraction bits of the weights: 8 bits of pixel and 2 of headroom for overshoot leave 22 of 32.
inline constexpr int kWeightBits = 32 - 8 - 2;

/// Output position i of [0, count) is the sum of input [start[i], start[i] + length[i]) with weights[i *
/// taps, ...).
struct ResampleWeights {
  int taps = 0;
  std::vector<int> start, length;
  std::vector<std::int32_t> weights;  ///< (count, taps), zeros behind length[i]

  int count() const { return static_cast<int>(start.size()); }
};

/// Weights of output positions [first, first + count) of a line of `in` pixels resized to `out`.
ResampleWeights resample_weights(int in, int out, int first, int count, Filter filter);

/// The part (left, top, width, height) of image resized to (full_width, full_height); nothing else is
/// computed.
Image resize_part(const Image& image, int full_width, int full_height, int left, int top, int width,
                  int height, Filter filter);

/// The two passes.  Rows [first_row, first_row + rows) of image, each resized by w: (rows, w.count()).
Image horizontal_pass(const Image& image, const ResampleWeights& w, int first_row, int rows);
/// w speaks of rows of a whole image, of which `image` starts at row first_row: (w.count(), image.width).
Image vertical_pass(const Image& image, const ResampleWeights& w, int first_row);

/// The same, written to be read: what the fast ones are tested against.
Image horizontal_pass_reference(const Image& image, const ResampleWeights& w, int first_row, int rows);
Image vertical_pass_reference(const Image& image, const ResampleWeights& w, int first_row);

}  // namespace edgeclip
