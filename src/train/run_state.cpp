#include "train/run_state.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cstdlib>

#include "base/error.h"
#include "model/checkpoint.h"

namespace edgeclip {

namespace {

constexpr const char* kFormat = "1";

std::int64_t metadata_integer(const SafetensorsFile& file, const std::string& key) {
  const auto it = file.metadata().find(key);
  char* end = nullptr;
  const std::int64_t value = it == file.metadata().end() ? 0 : std::strtoll(it->second.c_str(), &end, 10);
  if (end == nullptr || *end != '\0' || it->second.empty())
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

}  // namespace

void save_run_state(const std::filesystem::path& path, const DualEncoder& model, const Objective& objective,
                    const AdamW& optimizer, const RunState& state) {
  NamedTensors tensors = optimizer.state();
  for (const auto& item : objective->named_parameters())
    tensors.emplace_back("objective." + item.key(), to_tensor(item.value()));
  for (const auto& item : model->named_parameters())
    tensors.emplace_back("model." + item.key(), to_tensor(item.value()));
  for (const auto& item : model->named_buffers())
    tensors.emplace_back("model." + item.key(), to_tensor(item.value()));
  tensors.emplace_back("rng", to_tensor(at::detail::getDefaultCPUGenerator().get_state()));
  write_safetensors(
      path, tensors,
      {{"format", kFormat},
       {"tensors", tensors_hash(tensors)},
       {"step", std::to_string(state.step)},
       {"validated_step", std::to_string(state.validated_step)},
       {"best_step", std::to_string(state.best_step)},
       {"best_score", fmt::format("{}", state.best_score)},  // shortest form that reads back exactly
       {"batches_per_epoch", std::to_string(state.batches_per_epoch)},
       {"last_validation", state.last_validation.dump()},
       {"best_validation", state.best_validation.dump()}});
}

RunState load_run_state(const std::filesystem::path& path, DualEncoder& model, Objective& objective,
                        AdamW& optimizer) {
  const SafetensorsFile file(path);
  if (metadata_integer(file, "format") != std::atoi(kFormat))
    invalid_input("{}: has another format than this build ({}); train without --resume", path.string(),
                  kFormat);
  NamedTensors tensors;
  for (const auto& name : file.names()) tensors.emplace_back(name, file.get(name));
  const auto hash = file.metadata().find("tensors");
  if (hash == file.metadata().end() || hash->second != tensors_hash(tensors))
    invalid_input("{}: is damaged (its checksum is not that in its metadata); train without --resume",
                  path.string());
  RunState state;
  state.step = metadata_integer(file, "step");
  state.validated_step = metadata_integer(file, "validated_step");
  state.best_step = metadata_integer(file, "best_step");
  state.best_score = metadata_number(file, "best_score");
  state.batches_per_epoch = metadata_integer(file, "batches_per_epoch");
  state.last_validation = metadata_json(file, "last_validation");
  state.best_validation = metadata_json(file, "best_validation");

  const torch::NoGradGuard no_grad;
  const auto restore = [&](const std::string& name, torch::Tensor& value) {
    const torch::Tensor saved = from_tensor(file.get(name).view());
    if (saved.scalar_type() != value.scalar_type() || saved.sizes() != value.sizes())
      invalid_input("{}: {} is {} {}, expected {} {}; train without --resume", path.string(), name,
                    c10::toString(saved.scalar_type()), c10::str(saved.sizes()),
                    c10::toString(value.scalar_type()), c10::str(value.sizes()));
    value.copy_(saved);
  };
  for (auto& item : model->named_parameters()) restore("model." + item.key(), item.value());
  for (auto& item : model->named_buffers()) restore("model." + item.key(), item.value());
  for (auto& item : objective->named_parameters()) restore("objective." + item.key(), item.value());
  optimizer.load_state(file, state.step);

  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const Tensor rng = file.get("rng");
  if (rng.dtype() != DType::u8 || rng.elements() != generator.get_state().numel())
    invalid_input("{}: rng is no random state of this LibTorch; train without --resume", path.string());
  generator.set_state(from_tensor(rng.view()));
  return state;
}

}  // namespace edgeclip
