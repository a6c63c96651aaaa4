#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/dataset/annotations.h"

namespace edgeclip {

/// Cuts the boxes of video records out of their frames, one pass per video, and writes them as lossless PNG
/// below directory/crops.  A box that leaves its frame is cut at the edge. images: the video, or a folder of
/// videos: then a record is of its "video", else of the video named like the first folder of its "file_path",
/// else of the folder's only video.  On return path of each record is its crop, relative to directory;
/// records that cannot be cut are rejected and removed. Throws InvalidInput if images is one video that
/// cannot be opened.
void cut_video_crops(Annotations& annotations, const std::filesystem::path& images,
                     const std::filesystem::path& directory);

}  // namespace edgeclip
