#pragma once

#include "data/synthetic/canvas.h"
#include "data/synthetic/pedestrian.h"
#include "data/synthetic/wardrobe.h"

namespace edgeclip::synthetic {

constexpr float kDegree = 0.017453293f;  ///< radians

/// Height of the head's middle, in units of the figure's.
constexpr float kHead = 0.915f;

/// Hair that the body covers, drawn before it.
void draw_hair_behind(Canvas& canvas, const Attributes& attributes, const Wardrobe& wardrobe,
                      const Frame& frame);

/// Face, hair and hat.
void draw_head(Canvas& canvas, const Attributes& attributes, const Wardrobe& wardrobe, const Pose& pose,
               const Frame& frame);

}  // namespace edgeclip::synthetic
