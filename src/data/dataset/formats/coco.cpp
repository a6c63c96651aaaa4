#include <unordered_map>

#include "base/error.h"
#include "data/dataset/formats.h"

namespace edgeclip {

bool fits_coco(const AnnotationFile& file) {
  return file.json.is_object() && file.json.contains("images") && file.json["images"].is_array() &&
         file.json.contains("annotations") && file.json["annotations"].is_array();
}

// An image is an identity: its captions describe it and no other.  The file has no split.
Json records_of_coco(const AnnotationFile& file) {
  Json records = Json::array();
  std::unordered_map<std::string, std::size_t> record_of;  // by image id, as written
  for (const Json& image : file.json["images"]) {
    if (!image.is_object() || !image.contains("id") || !image.contains("file_name")) {
      records.push_back({{"unusable", "an image without id or file_name"}});
      continue;
    }
    if (!record_of.emplace(image["id"].dump(), records.size()).second) {
      records.push_back({{"unusable", "a second image of id " + image["id"].dump()}});
      continue;
    }
    records.push_back({{"id", image["id"]}, {"file_path", image["file_name"]}, {"captions", Json::array()}});
  }
  for (const Json& annotation : file.json["annotations"]) {
    const bool whole =
        annotation.is_object() && annotation.contains("image_id") && annotation.contains("caption");
    const auto at = whole ? record_of.find(annotation["image_id"].dump()) : record_of.end();
    if (at == record_of.end())
      records.push_back({{"unusable", whole ? "a caption of image " + annotation["image_id"].dump() +
                                                  ", which is not listed"
                                            : "an annotation without image_id or caption"}});
    else if (!annotation["caption"].is_string())
      records.push_back(
          {{"unusable", fmt::format("annotation {}: caption must be a string, not {}",
                                    annotation.contains("id") ? annotation["id"].dump() : "without id",
                                    json_kind(annotation["caption"]))}});
    else
      records[at->second]["captions"].push_back(annotation["caption"]);
  }
  return records;
}

}  // namespace edgeclip
