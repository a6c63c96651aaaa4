#pragma once

#include "data/synthetic/canvas.h"
#include "data/synthetic/pedestrian.h"
#include "data/synthetic/wardrobe.h"

namespace edgeclip::synthetic {

/// Draws the person: feet at frame.foot_x, foot_y, frame.height pixels tall.
void draw_figure(Canvas& canvas, const Attributes& attributes, const Wardrobe& wardrobe, const Pose& pose,
                 const Frame& frame);

}  // namespace edgeclip::synthetic
