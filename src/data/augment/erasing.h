#pragma once

#include <string>

#include "base/options.h"
#include "base/rng.h"

namespace edgeclip {

/// Random erasing (Zhong et al., arXiv:1708.04896): a rectangle of the normalized pixels is overwritten, as
/// if something stood in front of the person.
struct ErasingOptions {
  double probability = 0;
  double area_min = 0.02, area_max = 0.33;  ///< of the rectangle, relative to the image
  double ratio_min = 0.3, ratio_max = 3.3;  ///< height / width of the rectangle
  std::string fill = "mean";                ///< "mean" (0 after normalization) | "noise" (standard normal)

  template <class Visitor>
  void fields(Visitor& v) {
    v("probability", probability, "of an erased rectangle; 0: off");
    v("area_min", area_min, "smallest area, relative to the image");
    v("area_max", area_max, "largest");
    v("ratio_min", ratio_min, "smallest height / width");
    v("ratio_max", ratio_max, "largest");
    v("fill", fill, "the mean colour, or noise", {"mean", "noise"});
  }
  void validate(const std::string& where) const;
};

/// pixels: (3, height, width) normalized.  Ten draws; a rectangle that does not fit in any leaves the image
/// as it is.  Returns whether one was erased.
bool erase_region(float* pixels, int height, int width, const ErasingOptions& options, Rng& rng);

}  // namespace edgeclip
