#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "retrieval/gallery/item.h"
#include "retrieval/index/image_source.h"

namespace edgeclip {

/// A person in a frame.
struct PersonBox {
  Box box;
  std::int64_t track = -1;   ///< -1: unknown
  std::int64_t person = -1;  ///< identity; -1: unknown
};

/// What a file of annotations or detections says, each frame's boxes in the file's order.
struct BoxFile {
  std::map<std::int64_t, std::vector<PersonBox>> by_frame;  ///< counted from 0
  std::map<std::string, std::vector<PersonBox>> by_name;    ///< COCO: file_name of images
  std::int64_t left_out = 0;                                ///< boxes of others than persons, below the score, or without an area
};

/// Persons of a file in one of these layouts, told apart by what is in it:
///  MOT   lines "frame,track,left,top,width,height,score,class,..." (motchallenge.net), frames and pixels counted from 1; a class of 2 or more is
///        another than a pedestrian, a score of 0 in ground truth (where there is a class) is a box that does not count, a track of -1 unknown
///  COCO  {"images", "annotations"} (cocodataset.org) or a list of detections {"image_id", "bbox", "score"}; category "person" where categories
///        are named, else 1.  Frames of a video are "frame_id" of an image (from 0), without it image ids are; "track_id" or "instance_id"
///  a list of records {"frame", "box", "id"}, as `prepare` takes them of videos; frames from 0
/// Throws InvalidInput naming the line or entry.  least_score: of detections that have one.
BoxFile read_box_file(const std::filesystem::path& file, double least_score);

/// Puts the boxes of `file` into the source: each becomes an item of an image, and an image without boxes none; of a video they are kept for
/// its frames.  Images are found by COCO's file_name (or what is behind the last / of it), else by their place in order.  Throws
/// InvalidInput if nothing fits.
void apply_box_file(ImageSource& source, const std::filesystem::path& file, double least_score);

}  // namespace edgeclip
