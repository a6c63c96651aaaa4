#include <algorithm>
#include <sstream>
#include <unordered_map>

#include "base/error.h"
#include "data/dataset/formats.h"

namespace edgeclip {

namespace {

/// "image.jpg#0<tab>caption": where the '#' and the tab are, or npos.
struct TokenLine {
  std::size_t mark, tab;
  explicit TokenLine(const std::string& line) : mark(line.find('#')), tab(line.find('\t')) {
    if (tab == std::string::npos || mark == std::string::npos || mark == 0 || mark > tab)
      mark = tab = std::string::npos;
  }
  bool whole() const { return tab != std::string::npos; }
};

}  // namespace

bool fits_karpathy(const AnnotationFile& file) {
  if (!file.json.is_object() || !file.json.contains("images") || !file.json["images"].is_array())
    return false;
  for (const Json& image : file.json["images"])
    if (image.is_object()) return image.contains("sentences");
  return false;
}

// An image is an identity; its number is the place in the file.  "restval" is what COCO's training may use
// besides.
Json records_of_karpathy(const AnnotationFile& file) {
  Json records = Json::array();
  for (const Json& image : file.json["images"]) {
    if (!image.is_object() || !image.contains("filename") || !image["filename"].is_string()) {
      records.push_back({{"unusable", "an image without filename"}});
      continue;
    }
    std::string path = image["filename"].get<std::string>();
    if (image.contains("filepath") && image["filepath"].is_string())
      path = image["filepath"].get<std::string>() + "/" + path;
    Json record = {{"id", records.size()}, {"file_path", path}, {"captions", Json::array()}};
    if (image.contains("split"))
      record["split"] = image["split"] == "restval" ? Json("train") : image["split"];
    if (image.contains("sentences") && image["sentences"].is_array())
      for (const Json& sentence : image["sentences"])
        record["captions"].push_back(sentence.is_object() && sentence.contains("raw") ? sentence["raw"]
                                                                                      : sentence);
    records.push_back(std::move(record));
  }
  return records;
}

bool fits_flickr_tokens(const AnnotationFile& file) {
  return !file.text.empty() && TokenLine(file.text.substr(0, file.text.find('\n'))).whole();
}

Json records_of_flickr_tokens(const AnnotationFile& file) {
  Json records = Json::array();
  std::unordered_map<std::string, std::size_t> record_of;
  std::istringstream lines(file.text);
  std::int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    while (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    const TokenLine parts(line);
    if (!parts.whole()) {
      records.push_back({{"unusable", fmt::format("line {} is not \"image.jpg#0<tab>caption\"", number)}});
      continue;
    }
    const std::string name = line.substr(0, parts.mark);
    const auto [at, added] = record_of.try_emplace(name, records.size());
    if (added) records.push_back({{"id", records.size()}, {"file_path", name}, {"captions", Json::array()}});
    Json& captions = records[at->second]["captions"];
    const Json caption = line.substr(parts.tab + 1);
    if (std::find(captions.begin(), captions.end(), caption) != captions.end())
      records.push_back(
          {{"unusable", fmt::format("line {} is a duplicate of an earlier one of {}", number, name)}});
    else
      captions.push_back(caption);
  }
  return records;
}

bool fits_flickr(const AnnotationFile& file) { return fits_karpathy(file) || fits_flickr_tokens(file); }

Json records_of_flickr(const AnnotationFile& file) {
  return fits_karpathy(file) ? records_of_karpathy(file) : records_of_flickr_tokens(file);
}

}  // namespace edgeclip
