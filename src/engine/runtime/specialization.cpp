#include "engine/runtime/specialization.h"

#include <algorithm>
#include <cstring>

#include "base/measure.h"
#include "engine/ops/support.h"
#include "engine/runtime/memory_planner.h"
#include "engine/runtime/step_planner.h"

namespace edgeclip::engine {

Specialization::Specialization(const SessionParts& parts, const std::vector<Shape>& input_shapes,
                               const std::vector<std::optional<Tensor>>& input_data)
    : parts_(parts) {
  Planner(*this).plan(input_shapes, input_data);
  check_pool(input_shapes);  // before weights are packed for shapes that cannot run
  bind_kernels();
  check_pool(input_shapes);
}

void Specialization::bind_kernels() {
  for (Step& step : steps_) {
    if (step.prepared == nullptr) {
      step.kernel = parts_.backend->bind_reorder(step.inputs[0], step.layouts.inputs[0],
                                                 step.layouts.outputs[0], scratch_, *parts_.executor);
      continue;
    }
    Inputs inputs = step.inputs;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const ValueId id = step.input_values[i];
      if (id != kNoValue && locations_[static_cast<std::size_t>(id)].kind == Location::kFixed)
        inputs[i].data = locations_[static_cast<std::size_t>(id)].fixed;
    }
    step.kernel = step.prepared->bind({inputs, step.outputs, step.layouts, scratch_, *parts_.executor});
  }
}

std::vector<Context::Layer> Specialization::layers() const {
  std::vector<Context::Layer> layers;
  for (const Step& step : steps_) layers.push_back({step.node->name, step.node->op, step.kernel->implementation()});
  return layers;
}

std::vector<std::string> Specialization::reference_layers() const {
  std::vector<std::string> names;
  for (const Step& step : steps_) {
    const bool computes = std::any_of(step.outputs.begin(), step.outputs.end(),
                                      [](const OutputView& output) { return output.elements() > 0; });
    if (computes && step.kernel->implementation() == "reference")
      names.push_back(fmt::format("{} ({})", printable(step.node->name), step.node->op));
  }
  return names;
}

std::vector<OutputView> Specialization::outputs() const {
  std::vector<OutputView> views;
  for (const ValueId id : outputs_) {
    const TensorView& value = values_[static_cast<std::size_t>(id)];
    views.push_back({value.dtype, value.shape, nullptr});
  }
  return views;
}

std::string Specialization::name_of(ValueId id) const {
  const std::size_t own = parts_.graph.value_count();
  while (static_cast<std::size_t>(id) >= own) id = sources_[static_cast<std::size_t>(id) - own];
  return printable(parts_.graph.value(id).name);
}

void Specialization::check_pool(const std::vector<Shape>& input_shapes) const {
  const std::int64_t pool_mb = parts_.options.memory_pool_mb;
  if (arena_bytes() <= pool_mb * kMebibyte) return;
  std::string shapes;
  for (std::size_t i = 0; i < input_shapes.size(); ++i)
    shapes += fmt::format("{}{} {}", i == 0 ? "" : ", ", parts_.graph.value(parts_.graph.inputs[i]).name,
                          shape_string(input_shapes[i]));

  // The step at which most is alive, and its largest values.
  std::vector<std::int64_t> alive(steps_.size() + 1, 0);
  for (const Buffer& b : buffers_)
    for (int s = b.first; s <= std::min(b.last, static_cast<int>(steps_.size())); ++s)
      alive[static_cast<std::size_t>(s)] += b.bytes;
  const auto peak = static_cast<int>(std::max_element(alive.begin(), alive.end()) - alive.begin());
  std::vector<Buffer> largest;
  for (const Buffer& b : buffers_)
    if (b.first <= peak && peak <= b.last) largest.push_back(b);
  std::sort(largest.begin(), largest.end(), [](const Buffer& a, const Buffer& b) { return a.bytes > b.bytes; });
  if (largest.size() > 3) largest.resize(3);
  std::string at;
  if (static_cast<std::size_t>(peak) < steps_.size())
    at = fmt::format(" at {} ({})", printable(steps_[static_cast<std::size_t>(peak)].node->name),
                     steps_[static_cast<std::size_t>(peak)].node->op);
  std::string values;
  for (const Buffer& b : largest)
    values += fmt::format("{}{} {} {:.1f} MiB", values.empty() ? "" : ", ", name_of(b.value),
                          shape_string(values_[static_cast<std::size_t>(b.value)].shape),
                          static_cast<double>(b.bytes) / static_cast<double>(kMebibyte));
  const std::int64_t needed = (arena_bytes() + kMebibyte - 1) / kMebibyte;
  invalid_input(
      "{} needs {} MiB of activations{} (most{}: {}), the memory pool has {}; use --memory-pool-mb {} or a "
      "smaller batch",
      shapes, needed,
      scratch_.needed() > 0
          ? fmt::format(", {:.1f} of them scratch",
                        static_cast<double>(scratch_.needed()) / static_cast<double>(kMebibyte))
          : "",
      at, values, pool_mb, needed);
}

const std::byte* Specialization::address(ValueId id, std::byte* arena, const std::vector<TensorView>& inputs,
                                         const std::vector<OutputView>& outputs) const {
  if (id == kNoValue) return nullptr;
  const Location& location = locations_[static_cast<std::size_t>(id)];
  const auto i = static_cast<std::size_t>(location.index);
  switch (location.kind) {
    case Location::kFixed:
      return location.fixed;
    case Location::kArena:
      return arena + location.index;
    case Location::kInput:
      if (widened_[i] >= 0 && inputs[i].dtype != DType::i64) return arena + widened_[i];
      return inputs[i].data ? inputs[i].data : arena;  // an empty tensor may come without an address
    case Location::kOutput:
      return outputs[i].data ? outputs[i].data : arena;
    case Location::kAbsent:
      break;
  }
  EDGECLIP_CHECK(false, "value {} has no place", name_of(id));
}

void Specialization::run(std::byte* arena, const std::vector<TensorView>& inputs,
                         const std::vector<OutputView>& outputs, const Context::Observer& observer) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (widened_[i] < 0 || inputs[i].dtype == DType::i64) continue;
    const auto* from = inputs[i].as<std::int32_t>();
    auto* to = reinterpret_cast<std::int64_t*>(arena + widened_[i]);
    std::copy(from, from + inputs[i].elements(), to);
  }
  scratch_.place(arena + planned_bytes_);
  for (Step& step : steps_) {
    for (std::size_t i = 0; i < step.inputs.size(); ++i)
      step.inputs[i].data = address(step.input_values[i], arena, inputs, outputs);
    for (std::size_t i = 0; i < step.outputs.size(); ++i)
      step.outputs[i].data = const_cast<std::byte*>(address(step.output_values[i], arena, inputs, outputs));
    if (!observer) {
      step.kernel->run(step.inputs, step.outputs);
      continue;
    }
    const Stopwatch clock;
    step.kernel->run(step.inputs, step.outputs);
    const double seconds = clock.seconds();
    const std::string kernel = step.kernel->implementation();
    observer({*step.node, step.inputs, step.outputs, step.layouts, seconds, kernel});
  }
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const std::byte* from = address(outputs_[i], arena, inputs, outputs);
    const std::size_t bytes = values_[static_cast<std::size_t>(outputs_[i])].bytes();
    if (bytes > 0 && from != outputs[i].data) std::memcpy(outputs[i].data, from, bytes);
  }
}

}  // namespace edgeclip::engine
