#pragma once

#include "data/image/image.h"
#include "data/synthetic/canvas.h"

/// What surrounds the person, and the camera that sees it.
namespace edgeclip::synthetic {

/// Pavement or road with marks, grass, kerbs, poles, cars, walls.
void draw_background(Canvas& canvas, Rng& rng);
/// The person's shadow on the ground.
void draw_shadow(Canvas& canvas, const Frame& frame, Rng& rng);
/// Something between the camera and the person: hides at most a quarter of it.
void draw_occluder(Canvas& canvas, const Frame& frame, Rng& rng);

/// Reduces the canvas to (height, width) and adds exposure, contrast, colour cast, softness as of
/// compression, noise.
Image photograph(const Canvas& canvas, int width, int height, Rng& rng);

}  // namespace edgeclip::synthetic
