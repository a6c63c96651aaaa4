#include "data/dataset/formats.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/nearest.h"
#include "base/utf8.h"

namespace edgeclip {

AnnotationFile read_annotation_file(const std::string& path) {
  AnnotationFile file;
  file.path = path;
  std::string text = read_file(path);
  drop_byte_order_mark(text);
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) invalid_input("{}: is empty; name an annotation file", path);
  if (text[first] == '[' || text[first] == '{') {
    file.json = read_json(path);
    return file;
  }
  require_utf8(text, path);
  file.text = std::move(text);
  return file;
}

const std::vector<AnnotationFormat>& annotation_formats() {
  static const std::vector<AnnotationFormat> formats = {
      {"video", "list of records with frame and box", fits_video, records_of_records},
      {"reid", "list of records: split, id, file_path, captions", fits_records, records_of_records},
      {"cuhk", "CUHK-PEDES, reid_raw.json", fits_records, records_of_records},
      {"icfg", "ICFG-PEDES", fits_records, records_of_records},
      {"rstp", "RSTPReid, data_captions.json", fits_records, records_of_records},
      {"coco", "COCO captions", fits_coco, records_of_coco},
      {"flickr", "Flickr30k or Flickr8k: Karpathy's JSON, or the token file", fits_flickr, records_of_flickr},
      {"csv", "CSV or TSV with a header", fits_csv, records_of_csv},
      {"tree", "path and caption per line; the path's first folder is the id", fits_tree, records_of_tree},
  };
  return formats;
}

const AnnotationFormat& annotation_format(const AnnotationFile& file, const std::string& format) {
  std::vector<std::string> names = {"auto"};
  for (const auto& known : annotation_formats()) {
    names.emplace_back(known.name);
    if (format != known.name && !(format == "auto" && known.fits(file))) continue;
    if (!known.fits(file)) invalid_input("{}: is not of format {} ({})", file.path, known.name, known.what);
    return known;
  }
  if (format != "auto") invalid_input("--format \"{}\" is unknown{}", format, did_you_mean(format, names));
  std::string all;
  for (const auto& known : annotation_formats())
    all += fmt::format("{}{}", all.empty() ? "" : ", ", known.name);
  invalid_input("{}: is of no known format ({}); name it with --format", file.path, all);
}

}  // namespace edgeclip
