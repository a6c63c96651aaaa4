#pragma once

#include <filesystem>
#include <string>

#include "retrieval/index/image_source.h"

namespace edgeclip {

/// Where more is known of images than their files say.
struct ItemDescription {
  std::string name_pattern;     ///< retrieval/index/name_pattern.h; "": none
  std::string time_zone = "Z";  ///< of times in names
  std::string boxes;            ///< a file of read_box_file(); "": none
  double box_score = 0;         ///< least score of its detections
  std::string table;            ///< a CSV file of read_item_table(): paths as the source has them; "": none

  template <class Visitor>
  void fields(Visitor& v) {
    v("name_pattern", name_pattern,
      "what file names say, as in \"{person}_c{camera}s*_{frame}_*\" or \"{camera}/{time:%Y%m%d-%H%M%S}\": {person} {camera} {frame} {track} "
      "{time:FORMAT}, * for anything");
    v("time_zone", time_zone, "of times in names: Z, or +01:00");
    v("boxes", boxes, "F, persons of a video's frames or of images, in COCO's layout (JSON), MOT's (lines) or as prepare takes them: each box becomes an item");
    v("box_score", box_score, "least score of detections in --boxes");
    v("table", table,
      "F.csv, what is known of images: path, and of id, frame, caption, camera, time, track, x, y, width, height what there is; several rows "
      "of one path are parts of it");
  }
};

/// Puts it into the source's items; rows of the table win over names.  What of the images has a row for each of several boxes becomes as
/// many items.  Counts and names what does not fit in warnings.  Throws InvalidInput if the pattern or the table is wrong, or if nothing
/// of the source is in the table.
void describe_items(ImageSource& source, const ItemDescription& description);

}  // namespace edgeclip
