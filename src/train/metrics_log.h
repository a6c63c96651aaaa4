#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>

#include "base/json.h"

namespace edgeclip {

/// metrics.jsonl of a run folder: one JSON object per line, in order of steps, flushed line by line so that a
/// run can be followed.  Training lines:
/// {"step","epoch","lr","loss","grad_norm","logit_scale","images_per_s"}; validation lines:
/// {"step","epoch","val":{"loss","text_to_image":{...},"image_to_text":{...}}}.
class MetricsLog {
 public:
  /// Keeps the lines of an older log up to step `keep_until` (those after it were made by work that is lost
  /// and will be done again); -1: starts anew.  Throws InvalidInput if the file cannot be read or written.
  MetricsLog(std::filesystem::path path, std::int64_t keep_until);
  void write(const Json& line);

 private:
  const std::filesystem::path path_;
  std::ofstream file_;
};

}  // namespace edgeclip
