#include <ATen/Context.h>

#include <mutex>

#include "base/error.h"
#include "model/tensors.h"
#include "train/run_state.h"
#include "train/state_tensor.h"

namespace edgeclip {

namespace {

/// Parameters that train, and buffers, of module, each under prefix.
StatePart state_of_module(std::shared_ptr<torch::nn::Module> module, const std::string& prefix) {
  const auto tensors = [module, prefix] {
    std::vector<std::pair<std::string, torch::Tensor>> named;
    for (const auto& item : module->named_parameters())
      if (item.value().requires_grad()) named.emplace_back(prefix + item.key(), item.value());
    for (const auto& item : module->named_buffers()) named.emplace_back(prefix + item.key(), item.value());
    return named;
  };
  return {[tensors] {
            NamedTensors saved;
            for (const auto& [name, value] : tensors()) saved.emplace_back(name, alias_tensor(value));
            return saved;
          },
          [tensors](const SafetensorsFile& file) {
            const torch::NoGradGuard no_graph;
            for (auto& [name, value] : tensors()) value.copy_(state_tensor(file, name, value));
          }};
}

torch::Tensor state_of(at::Generator generator) {
  const std::lock_guard lock(generator.mutex());
  return generator.get_state();
}

void restore(at::Generator generator, const std::string& name, const SafetensorsFile& file) {
  const torch::Tensor now = state_of(generator);
  const torch::Tensor saved = state_tensor(file, name, now);
  const std::lock_guard lock(generator.mutex());
  generator.set_state(saved);
}

}  // namespace

StatePart state_of_weights(DualEncoder model) { return state_of_module(model.ptr(), "model."); }

StatePart state_of_objective(Objective objective) { return state_of_module(objective.ptr(), "objective."); }

StatePart state_of_optimizer(AdamW& optimizer) {
  return {[&optimizer] { return optimizer.state(); },
          [&optimizer](const SafetensorsFile& file) { optimizer.load_state(file); }};
}

StatePart state_of_average(WeightAverage& average) {
  return {[&average] { return average.state(); },
          [&average](const SafetensorsFile& file) { average.load_state(file); }};
}

StatePart state_of_generators(const torch::Device& device) {
  std::vector<std::pair<std::string, at::Generator>> generators = {
      {"rng", at::globalContext().defaultGenerator(torch::kCPU)}};
  if (!device.is_cpu()) generators.emplace_back("rng." + device.str(), at::globalContext().defaultGenerator(device));
  return {[generators] {
            NamedTensors saved;
            for (const auto& [name, generator] : generators) saved.emplace_back(name, to_tensor(state_of(generator)));
            return saved;
          },
          [generators](const SafetensorsFile& file) {
            // A run that goes on on another device has drawn nothing there yet.
            for (const auto& [name, generator] : generators)
              if (name == "rng" || file.contains(name)) restore(generator, name, file);
          }};
}

}  // namespace edgeclip
