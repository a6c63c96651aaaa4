#pragma once

#include <string>
#include <vector>

#include "base/json.h"

/// Annotation files of the published datasets, each turned into the shared shape: a JSON list of {"split",
/// "id", "file_path", "captions": [...]} (video: "video", "frame", "box").  Only the shape changes here;
/// whether a record can be used is for annotations.h to say, so a record may lack anything.  A record that
/// has no place in the shape is
/// {"unusable": "reason"}.
namespace edgeclip {

/// A file read once: JSON if it starts like JSON, else text.  JSON lines (an object in each line, the first
/// of them whole) are the list of these objects; a line that is no JSON is an unusable record.
struct AnnotationFile {
  std::string path;
  std::string text;  ///< "" if it is JSON
  Json json;         ///< null if it is text
};
AnnotationFile read_annotation_file(const std::string& path);

struct AnnotationFormat {
  const char* name;
  const char* what;  ///< for people
  bool (*fits)(const AnnotationFile&);
  Json (*records)(const AnnotationFile&);
};

/// All of them, in the order in which "auto" tries them.
const std::vector<AnnotationFormat>& annotation_formats();

/// What a file is.  format: a name of annotation_formats(), or "auto".  Throws InvalidInput if the name is
/// unknown or the file does not fit.
const AnnotationFormat& annotation_format(const AnnotationFile& file, const std::string& format);

// One file each (src/data/dataset/formats/).
bool fits_records(
    const AnnotationFile& file);  ///< CUHK-PEDES reid_raw.json, ICFG-PEDES, RSTPReid, and our own
Json records_of_records(const AnnotationFile& file);
bool fits_video(const AnnotationFile& file);
bool fits_karpathy(const AnnotationFile& file);  ///< Flickr30k, Flickr8k, COCO in Karpathy's JSON
Json records_of_karpathy(const AnnotationFile& file);
bool fits_flickr_tokens(const AnnotationFile& file);  ///< "image.jpg#0<tab>caption" lines
Json records_of_flickr_tokens(const AnnotationFile& file);
bool fits_flickr(const AnnotationFile& file);  ///< either of the two
Json records_of_flickr(const AnnotationFile& file);
bool fits_coco(const AnnotationFile& file);  ///< COCO captions: "images" and "annotations"
Json records_of_coco(const AnnotationFile& file);
bool fits_csv(const AnnotationFile& file);  ///< comma or tab separated, with a header
Json records_of_csv(const AnnotationFile& file);
/// What keeps a text of several columns from being such a file, with an example of a header; "" of other
/// files.
std::string missing_header(const AnnotationFile& file);
bool fits_tree(const AnnotationFile& file);  ///< path and caption; the id is the path's first folder
Json records_of_tree(const AnnotationFile& file);

}  // namespace edgeclip
