#include "model/checkpoint_base.h"

#include <optional>

#include "base/artifact.h"
#include "base/error.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

constexpr const char* kHead = "config.json";

/// The line of the weights in the checkpoint's table of files, or nothing.
std::optional<Json> weights_entry(const fs::path& directory) {
  if (!is_artifact_head(directory / kHead)) return std::nullopt;
  const Json head = read_json(directory / kHead);
  const auto files = head.find("files");
  if (files == head.end() || !files->is_object() || !files->contains(kWeightsFile)) return std::nullopt;
  return std::make_optional<Json>(files->at(kWeightsFile));
}

}  // namespace

Json base_json(const CheckpointBase& base, const fs::path& directory) {
  // weakly_canonical() alone leaves a relative path of which nothing exists as it is.
  const fs::path absolute = fs::weakly_canonical(fs::absolute(base.directory));
  return {{"path", absolute.lexically_relative(fs::weakly_canonical(fs::absolute(directory))).generic_string()},
          {"absolute", absolute.generic_string()},
          {"hash", base.hash},
          {"bf16", base.bf16}};
}

CheckpointBase find_base(const Json& json, const fs::path& directory, const std::string& where) {
  const std::string in = where + ": base";
  CheckpointBase base;
  base.hash = json_get<std::string>(json, "hash", in);
  base.bf16 = json_get<bool>(json, "bf16", in);
  // From where the folder lies, not from where a link to it stands.
  const fs::path relative = fs::weakly_canonical(fs::absolute(directory) / json_get<std::string>(json, "path", in)),
                 absolute = json_get<std::string>(json, "absolute", in);
  fs::path other;
  for (const fs::path& place : {relative, absolute}) {
    const auto entry = weights_entry(place);
    if (!entry) continue;
    const std::string at = (place / kHead).string();
    if (json_get<std::string>(*entry, "xxh3", at + ": files." + kWeightsFile) != base.hash) {
      other = place;
      continue;
    }
    check_file_table(place, {{kWeightsFile, *entry}}, at);
    base.directory = place;
    return base;
  }
  constexpr const char* kRemedy = "put the base back, or write into base.path where it lies now";
  if (!other.empty())
    invalid_input("{}: {} holds other weights than those that the adapter was trained on; {}", in, other.string(),
                  kRemedy);
  invalid_input("{}: {} is not there, or is no checkpoint with weights; {}", in, absolute.string(), kRemedy);
}

}  // namespace edgeclip
