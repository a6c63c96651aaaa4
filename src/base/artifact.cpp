#include "base/artifact.h"

#include "base/error.h"

namespace edgeclip {

bool is_artifact_head(const std::filesystem::path& file) {
  try {
    const Json head = read_json(file);
    return head.is_object() && head.contains("format") && head["format"].is_number_integer() &&
           head.contains("edgeclip") && head["edgeclip"].is_string();
  } catch (const InvalidInput&) {
    return false;
  }
}

Json read_artifact_head(const std::filesystem::path& file, int format, const char* remedy) {
  if (!std::filesystem::exists(file))
    invalid_input("{}: holds no {}, so it is not the kind of folder that is needed here",
                  file.parent_path().string(), file.filename().string());
  Json head = read_json(file);
  const std::string where = file.string();
  const int found = json_get<int>(head, "format", where);
  if (found > format)
    invalid_input("{}: format {} is newer than this build ({}); update edgeclip", where, found, format);
  if (found < format)
    invalid_input("{}: format {} is older than this build ({}); {}", where, found, format, remedy);
  return head;
}

}  // namespace edgeclip
