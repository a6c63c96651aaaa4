#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

/// Annotation files of the shared shape: a JSON list of {"split", "id", "file_path", "captions": [...]}, or
/// its video form with "frame" and "box" (x, y, w, h in pixels) and optionally "video".
namespace edgeclip {

struct Box {
  int x = 0, y = 0, width = 0, height = 0;
};

/// One record that holds what its form needs; whether its image exists is not known yet.
struct Record {
  std::int64_t index = 0;  ///< in the list, from 0
  std::string split;       ///< "train" | "val" | "test"; "" when it is not asked for
  std::int64_t id = 0;
  std::string path;    ///< image or video, relative; "" in a video record that names none
  std::string folder;  ///< video: first folder of "file_path", "" without one
  std::int64_t frame = -1;
  Box box;
  int width = 0, height = 0;          ///< of the image or crop, once it has been decoded
  std::vector<std::string> captions;  ///< trimmed, none empty; empty once the record is rejected
};

/// (record, reason), in any order while collected.
struct Rejection {
  std::int64_t index;
  std::string reason;
};

struct Annotations {
  bool video = false;
  std::string format;  ///< as found
  std::int64_t total = 0;
  std::vector<Record> records;  ///< by index
  std::vector<Rejection> rejections;
};

/// Reads and checks each record alone, and against those before it (duplicates).  format: as in formats.h.
/// strip_prefix: removed from the start of every path.  need_split: records without a known split are
/// rejected; known are, in any case, train and training; val, valid, validation and dev; test and testing.
/// Throws InvalidInput if the file is no list of records, or none has a caption.
Annotations read_annotations(const std::string& file, const std::string& format,
                             const std::string& strip_prefix, bool need_split);

}  // namespace edgeclip
