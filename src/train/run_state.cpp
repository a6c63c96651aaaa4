#include "train/run_state.h"

#include <cstdlib>

#include "base/error.h"
#include "model/checkpoint.h"
#include "model/weight.h"

namespace edgeclip {

namespace {

/// 1 held all weights, frozen ones too.
constexpr std::int64_t kFormat = 2, kOldest = 1;

std::int64_t metadata_integer(const SafetensorsFile& file, const std::string& key, const char* absent = nullptr) {
  const auto it = file.metadata().find(key);
  const std::string text = it != file.metadata().end() ? it->second : absent != nullptr ? absent : "";
  char* end = nullptr;
  const std::int64_t value = std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0')
    invalid_input("{}: metadata \"{}\" is missing or no integer; train without --resume", file.file(), key);
  return value;
}

double metadata_number(const SafetensorsFile& file, const std::string& key) {
  const auto it = file.metadata().find(key);
  char* end = nullptr;
  const double value = it == file.metadata().end() ? 0 : std::strtod(it->second.c_str(), &end);
  if (end == nullptr || *end != '\0' || it->second.empty())
    invalid_input("{}: metadata \"{}\" is missing or no number; train without --resume", file.file(), key);
  return value;
}

Json metadata_json(const SafetensorsFile& file, const std::string& key) {
  const auto it = file.metadata().find(key);
  const Json value =
      it == file.metadata().end() ? Json() : Json::parse(it->second, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded())
    invalid_input("{}: metadata \"{}\" is no JSON; train without --resume", file.file(), key);
  return value;
}

std::string metadata_text(const SafetensorsFile& file, const std::string& key) {
  const auto it = file.metadata().find(key);
  return it == file.metadata().end() ? "" : it->second;
}

}  // namespace

const std::string& RunState::unchanging_hash() {
  if (hash_.empty()) hash_ = tensors_hash(unchanging_ ? unchanging_() : NamedTensors());
  return hash_;
}

void RunState::save(const std::filesystem::path& path, const RunPosition& position) {
  NamedTensors tensors;
  for (const StatePart& part : parts_)
    for (auto& tensor : part.save()) tensors.push_back(std::move(tensor));
  write_safetensors(
      path, tensors,
      {{"format", std::to_string(kFormat)},
       {"tensors", tensors_hash(tensors)},
       {"unchanging", unchanging_hash()},
       {"step", std::to_string(position.step)},
       {"validated_step", std::to_string(position.validated_step)},
       {"best_step", std::to_string(position.best_step)},
       {"best_score", fmt::format("{}", position.best_score)},  // shortest form that reads back exactly
       {"batches_per_epoch", std::to_string(position.batches_per_epoch)},
       {"skipped_steps", std::to_string(position.skipped_steps)},
       {"skipped_in_a_row", std::to_string(position.skipped_in_a_row)},
       {"validations_waited", std::to_string(position.validations_waited)},
       {"stopped_early", std::to_string(static_cast<int>(position.stopped_early))},
       {"last_validation", position.last_validation.dump()},
       {"best_validation", position.best_validation.dump()}});
}

RunPosition RunState::load(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  const std::int64_t format = metadata_integer(file, "format");
  if (format < kOldest || format > kFormat)
    invalid_input("{}: has format {}, this build reads up to {}; train without --resume", path.string(), format, kFormat);
  NamedTensors tensors;
  for (const auto& name : file.names()) tensors.emplace_back(name, file.get(name));
  if (metadata_text(file, "tensors") != tensors_hash(tensors))
    invalid_input("{}: is damaged (its checksum is not that in its metadata); train without --resume",
                  path.string());
  if (format > 1 && metadata_text(file, "unchanging") != unchanging_hash())
    invalid_input(
        "{}: the weights that do not train are others than when the run was started; put back the checkpoint it was "
        "started with (init in run.json), or train without --resume",
        path.string());
  RunPosition position;
  position.step = metadata_integer(file, "step");
  position.validated_step = metadata_integer(file, "validated_step");
  position.best_step = metadata_integer(file, "best_step");
  position.best_score = metadata_number(file, "best_score");
  position.batches_per_epoch = metadata_integer(file, "batches_per_epoch");
  position.skipped_steps = metadata_integer(file, "skipped_steps", "0");
  position.skipped_in_a_row = metadata_integer(file, "skipped_in_a_row", "0");
  position.validations_waited = metadata_integer(file, "validations_waited", "0");
  position.stopped_early = metadata_integer(file, "stopped_early", "0") != 0;
  position.last_validation = metadata_json(file, "last_validation");
  position.best_validation = metadata_json(file, "best_validation");
  for (const StatePart& part : parts_) part.load(file);
  return position;
}

NamedTensors frozen_weights(const DualEncoder& model) {
  NamedTensors tensors;
  for (const auto& item : model->named_parameters())
    if (!item.value().requires_grad()) tensors.emplace_back(item.key(), alias_tensor(item.value()));
  return tensors;
}

}  // namespace edgeclip
