#pragma once

#include <string_view>

#include "data/image/image.h"

namespace edgeclip {

/// Tag 0x0112 of an EXIF block ("II*\0..." or "MM\0*...", with or without "Exif\0\0" in front): 1 to 8; 1
/// where there is none or the block is damaged (CIPA DC-008, 4.6.4 A).  An orientation that stands in XMP
/// alone, which Pillow's exif_transpose also follows, is not read.
int exif_orientation(std::string_view exif);

/// The image as the camera was held: what Pillow's ImageOps.exif_transpose gives.  orientation: 1 to 8.
Image upright(Image image, int orientation);

}  // namespace edgeclip
