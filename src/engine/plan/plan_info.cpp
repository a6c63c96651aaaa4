#include <algorithm>

#include "base/artifact.h"
#include "base/file.h"
#include "engine/plan/plan.h"
#include "engine/plan/plan_file.h"
#include "engine/plan/plan_json.h"

namespace edgeclip::engine {

std::string plan_model_hash(const Json& files, const std::string& where) {
  std::string both;
  for (const char* name : {kImagePlan, kTextPlan}) {
    if (!files.is_object() || !files.contains(name))
      invalid_input("{}: files: {} is not listed; build the plan again", where, name);
    both += json_get<std::string>(files[name], "xxh3", fmt::format("{}: files.{}", where, name));
  }
  return hash_text(both);
}

std::vector<int> batch_profiles(std::vector<int> batches, const std::string& where) {
  if (batches.empty()) invalid_input("{}: at least one batch size is needed", where);
  for (const int batch : batches)
    if (batch < 1 || batch > kMaxBatch)
      invalid_input("{}: {} is not between 1 and {}", where, batch, kMaxBatch);
  std::sort(batches.begin(), batches.end());
  batches.erase(std::unique(batches.begin(), batches.end()), batches.end());
  return batches;
}

PlanInfo open_plan_info(const std::filesystem::path& directory) {
  require_directory(directory, "plan");
  const std::filesystem::path file = directory / kPlanJson;
  const std::string where = file.string();
  PlanInfo info;
  info.directory = directory;
  info.json = read_artifact_head(file, kPlanFormat, "build the plan again");
  const Json& files = json_at(info.json, "files", where);
  info.model_hash = plan_model_hash(files, where);
  if (json_get<std::string>(info.json, "model_hash", where) != info.model_hash)
    invalid_input("{}: model_hash is not that of its files; build the plan again", where);
  check_file_table(directory, files, where);
  options_from_json(json_at(info.json, "card", where), info.card, where + ": card");
  info.precision = json_get<std::string>(info.json, "precision", where);
  if (info.precision != "fp32" && info.precision != "int8")
    invalid_input("{}: precision: \"{}\" is neither \"fp32\" nor \"int8\"", where, info.precision);
  for (const Json& batch : json_at(info.json, "batches", where)) {
    if (!batch.is_number_integer() || !integer_fits<int>(batch))
      invalid_input("{}: batches: {} is no batch size", where, json_kind(batch));
    info.batches.push_back(batch.get<int>());
  }
  info.batches = batch_profiles(info.batches, where + ": batches");
  info.memory_pool_mb = json_get<std::int64_t>(info.json, "memory_pool_mb", where);
  if (info.memory_pool_mb < 1 || info.memory_pool_mb > kMostPoolMb)
    invalid_input("{}: memory_pool_mb: {} is not within 1 to {}", where, info.memory_pool_mb, kMostPoolMb);
  return info;
}

}  // namespace edgeclip::engine
