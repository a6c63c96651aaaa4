#include "data/dataset/formats.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/json_depth.h"
#include "base/nearest.h"
#include "base/utf8.h"

namespace edgeclip {

namespace {

bool blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

/// The whole of text as JSON; discarded if it is none, or nested too deep to be read.
Json parsed(const std::string& text) {
  try {
    require_shallow_json(text, "");
  } catch (const InvalidInput&) {
    return Json(Json::value_t::discarded);
  }
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

/// Null unless the first line is a whole object, and more follows or the file is named .jsonl or .ndjson.
Json read_json_lines(const std::string& path, const std::string& text, std::size_t first) {
  const std::string extension = std::filesystem::path(path).extension().string();
  const std::size_t end = std::min(text.find('\n', first), text.size());
  const bool named = extension == ".jsonl" || extension == ".ndjson";
  if (text[first] != '{' || (!named && blank(std::string_view(text).substr(end))) ||
      parsed(text.substr(first, end - first)).is_discarded())
    return nullptr;
  Json records = Json::array();
  std::int64_t number = 0;
  for (std::size_t begin = 0, stop = 0; begin < text.size(); begin = stop + 1) {
    stop = std::min(text.find('\n', begin), text.size());
    ++number;
    const std::string line = text.substr(begin, stop - begin);
    if (blank(line)) continue;
    Json record = parsed(line);
    records.push_back(record.is_discarded()
                          ? Json{{"unusable", fmt::format("line {} is not valid JSON", number)}}
                          : std::move(record));
  }
  return records;
}

}  // namespace

AnnotationFile read_annotation_file(const std::string& path) {
  AnnotationFile file;
  file.path = path;
  std::string text = read_file(path);
  drop_byte_order_mark(text);
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) invalid_input("{}: is empty; name an annotation file", path);
  if (text[first] == '[' || text[first] == '{') {
    file.json = read_json_lines(path, text, first);
    if (file.json.is_null()) file.json = parse_json(text, path);
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
    if (known.fits(file)) return known;
    if (const std::string missing = format == "csv" ? missing_header(file) : ""; !missing.empty())
      invalid_input("{}: {}", file.path, missing);
    invalid_input("{}: is not of format {} ({})", file.path, known.name, known.what);
  }
  if (format != "auto") invalid_input("--format \"{}\" is unknown{}", format, did_you_mean(format, names));
  if (const std::string missing = missing_header(file); !missing.empty())
    invalid_input("{}: {}", file.path, missing);
  std::string all;
  for (const auto& known : annotation_formats())
    all += fmt::format("{}{}", all.empty() ? "" : ", ", known.name);
  invalid_input("{}: is of no known format ({}); name it with --format", file.path, all);
}

}  // namespace edgeclip
