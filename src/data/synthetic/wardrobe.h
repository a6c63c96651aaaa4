#pragma once

#include "data/synthetic/canvas.h"
#include "data/synthetic/pedestrian.h"

namespace edgeclip::synthetic {

/// Colours of one person, the same in all its images.
struct Wardrobe {
  Colour skin, hair, hat, upper, upper2, inner, lower, shoes, bag;
};
Wardrobe draw_wardrobe(const Attributes& attributes, Rng& rng);

/// How the person stands before the camera in one image.
struct Pose {
  float turn = 0;    ///< degrees: 0 faces the camera, 90 walks to the right, 180 shows the back
  float stride = 0;  ///< -1..1: which leg is in front, and how far
  float build = 1;   ///< width of the body
  bool front() const;
  bool back() const;
};
Pose draw_pose(Rng& rng);

}  // namespace edgeclip::synthetic
