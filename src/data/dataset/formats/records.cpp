#include "data/dataset/formats.h"

namespace edgeclip {

namespace {

const Json* first_record(const AnnotationFile& file) {
  if (!file.json.is_array()) return nullptr;
  for (const Json& record : file.json)
    if (record.is_object()) return &record;
  return nullptr;
}

}  // namespace

bool fits_video(const AnnotationFile& file) {
  const Json* record = first_record(file);
  return record != nullptr && (record->contains("frame") || record->contains("box"));
}

bool fits_records(const AnnotationFile& file) { return file.json.is_array(); }

Json records_of_records(const AnnotationFile& file) {
  Json records = file.json;
  for (Json& record : records)
    if (record.is_object() && !record.contains("file_path"))
      for (const char* key : {"img_path", "image_path"})  // RSTPReid
        if (record.contains(key)) {
          record["file_path"] = record.at(key);
          break;
        }
  return records;
}

}  // namespace edgeclip
