#include "engine/runtime/specialization.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>

#include "base/out_of_memory.h"
#include "engine/graph/shape_inference.h"
#include "engine/runtime/memory_planner.h"

namespace edgeclip::engine {

namespace {

constexpr std::int64_t kMebibyte = std::int64_t{1} << 20;
/// More than making a kernel takes, beside its packed weights.
constexpr std::size_t kMostOfKernel = std::size_t{8} << 20;

/// Nodes whose output is the input's bytes under another shape: no kernel runs for them.
bool is_view(const Node& node, const TensorView& input, const TensorView& output) {
  for (const char* op : {"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"})
    if (node.is(op)) return true;
  return node.is("Cast") && input.dtype == output.dtype;
}

}  // namespace

Specialization::Specialization(const Graph& graph, const SessionOptions& options,
                               const std::vector<Shape>& input_shapes,
                               const std::vector<std::optional<Tensor>>& input_data, PackedWeights& weights,
                               dnnl::stream& stream)
    : graph_(graph) {
  plan(input_shapes, input_data);
  check_pool(options.memory_pool_mb, input_shapes);  // before weights are packed for shapes that cannot run
  choose_kernels(options.reference, weights, stream);
  scratch_bytes_ = static_cast<std::int64_t>(scratch_.needed());
  check_pool(options.memory_pool_mb, input_shapes);
}

void Specialization::plan(const std::vector<Shape>& input_shapes,
                          const std::vector<std::optional<Tensor>>& input_data) {
  const std::vector<ValueFacts> facts = infer_shapes(graph_, input_shapes, input_data);
  const std::size_t count = graph_.value_count();
  values_.resize(count);
  locations_.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    values_[i] = {facts[i].dtype, facts[i].shape, nullptr};
    std::uint64_t elements = 0;
    if (facts[i].known && !checked_num_elements(facts[i].shape, &elements))
      invalid_input("{}: {} holds too many elements", graph_.value(static_cast<ValueId>(i)).name,
                    shape_string(facts[i].shape));
    const auto& constant = graph_.value(static_cast<ValueId>(i)).constant;
    if (constant) {
      locations_[i] = {Location::kFixed, constant->raw(), 0};
    } else if (facts[i].data) {
      computed_.push_back(*facts[i].data);
      locations_[i] = {Location::kFixed, computed_.back().raw(), 0};
    }
  }

  // Which bytes a value stands for: a view stands for those of its source.
  std::vector<ValueId> root(count);
  for (std::size_t i = 0; i < count; ++i) root[i] = static_cast<ValueId>(i);
  const auto root_of = [&](ValueId id) { return root[static_cast<std::size_t>(id)]; };

  std::vector<BufferLife> lives;
  std::vector<int> buffer(count, -1);  // index into lives, per root value
  const auto new_buffer = [&](ValueId id, int step) {
    buffer[static_cast<std::size_t>(id)] = static_cast<int>(lives.size());
    lives.push_back({static_cast<std::int64_t>(values_[static_cast<std::size_t>(id)].bytes()), step, step});
  };
  for (std::size_t i = 0; i < graph_.inputs.size(); ++i) {
    const ValueId id = graph_.inputs[i];
    locations_[static_cast<std::size_t>(id)] = {Location::kInput, nullptr, static_cast<std::int64_t>(i)};
    if (graph_.value(id).dtype == DType::i64) new_buffer(id, 0);  // where int32 ids are widened to
  }
  for (const Node& node : graph_.nodes()) {
    const bool known = std::all_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) {
      return id == kNoValue || locations_[static_cast<std::size_t>(id)].kind == Location::kFixed;
    });
    if (known) continue;  // computed once, from shapes
    const int step = static_cast<int>(steps_.size());
    const auto extend = [&](ValueId id) {
      const int b = id == kNoValue ? -1 : buffer[static_cast<std::size_t>(root_of(id))];
      if (b >= 0)
        lives[static_cast<std::size_t>(b)].last = std::max(lives[static_cast<std::size_t>(b)].last, step);
    };
    const auto value_at = [&](ValueId id) { return values_[static_cast<std::size_t>(id)]; };
    if (!node.inputs.empty() && is_view(node, value_at(node.inputs.at(0)), value_at(node.outputs.at(0)))) {
      root[static_cast<std::size_t>(node.outputs[0])] = root_of(node.inputs[0]);
      continue;
    }
    Step made;
    made.node = &node;
    made.input_values = node.inputs;
    made.output_values = node.outputs;
    for (const ValueId id : node.inputs) {
      made.inputs.push_back(id == kNoValue ? TensorView{} : value_at(id));
      extend(id);
    }
    for (const ValueId id : node.outputs) {
      if (id == kNoValue) {
        made.outputs.emplace_back();
        continue;
      }
      made.outputs.push_back({value_at(id).dtype, value_at(id).shape, nullptr});
      new_buffer(id, step);
    }
    steps_.push_back(std::move(made));
  }
  for (const ValueId id : graph_.outputs) {
    const int b = buffer[static_cast<std::size_t>(root_of(id))];
    if (b >= 0) lives[static_cast<std::size_t>(b)].last = static_cast<int>(steps_.size());
  }

  const MemoryPlan memory = plan_memory(lives);
  // At least one line, so that no address in the arena is null: null says "left out".
  planned_bytes_ = std::max(memory.total, kArenaAlignment);
  widened_.assign(graph_.inputs.size(), -1);
  for (std::size_t i = 0; i < graph_.inputs.size(); ++i) {
    const int b = buffer[static_cast<std::size_t>(graph_.inputs[i])];
    if (b >= 0) widened_[i] = memory.offsets[static_cast<std::size_t>(b)];
  }
  for (std::size_t i = 0; i < count; ++i)
    if (buffer[i] >= 0 && locations_[i].kind == Location::kAbsent)
      locations_[i] = {Location::kArena, nullptr, memory.offsets[static_cast<std::size_t>(buffer[i])]};
  for (std::size_t i = 0; i < count; ++i)
    if (root[i] != static_cast<ValueId>(i)) locations_[i] = locations_[static_cast<std::size_t>(root[i])];
}

void Specialization::choose_kernels(bool reference, PackedWeights& weights, dnnl::stream& stream) {
  for (Step& step : steps_) {
    if (reference) {
      step.kernel = make_reference_kernel(*step.node);
      continue;
    }
    Inputs inputs = step.inputs;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const ValueId id = step.input_values[i];
      if (id != kNoValue && graph_.value(id).is_constant()) inputs[i].data = graph_.value(id).constant->raw();
    }
    // oneDNN does not survive an allocation that fails while it writes a kernel's code
    // (base/out_of_memory.h).
    if (!can_have_memory(kMostOfKernel)) throw std::bad_alloc();
    step.kernel = select_kernel({*step.node, inputs, step.outputs, weights, scratch_, stream});
  }
}

std::vector<Context::Layer> Specialization::layers() const {
  std::vector<Context::Layer> layers;
  for (const Step& step : steps_)
    layers.push_back({step.node->name, step.node->op, step.kernel->implementation()});
  return layers;
}

void Specialization::check_pool(std::int64_t pool_mb, const std::vector<Shape>& input_shapes) const {
  if (arena_bytes() <= pool_mb * kMebibyte) return;
  std::string shapes;
  for (std::size_t i = 0; i < input_shapes.size(); ++i)
    shapes += fmt::format("{}{} {}", i == 0 ? "" : ", ", graph_.value(graph_.inputs[i]).name,
                          shape_string(input_shapes[i]));
  const std::int64_t needed = (arena_bytes() + kMebibyte - 1) / kMebibyte;
  invalid_input(
      "{} needs {} MiB of activations, the memory pool has {}; use --memory-pool-mb {} or a smaller batch",
      shapes, needed, pool_mb, needed);
}

const std::byte* Specialization::address(ValueId id, std::byte* arena,
                                         const std::vector<TensorView>& inputs) const {
  if (id == kNoValue) return nullptr;
  const Location& location = locations_[static_cast<std::size_t>(id)];
  switch (location.kind) {
    case Location::kFixed:
      return location.fixed;
    case Location::kArena:
      return arena + location.index;
    case Location::kInput: {
      const auto i = static_cast<std::size_t>(location.index);
      const bool widen = widened_[i] >= 0 && inputs[i].dtype != DType::i64;
      if (widen) return arena + widened_[i];
      return inputs[i].data ? inputs[i].data : arena;  // an empty tensor may come without an address
    }
    case Location::kAbsent:
      break;
  }
  EDGECLIP_CHECK(false, "value {} has no place", graph_.value(id).name);
}

std::vector<Tensor> Specialization::run(std::byte* arena, const std::vector<TensorView>& inputs,
                                        const Context::Observer& observer) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (widened_[i] < 0 || inputs[i].dtype == DType::i64) continue;
    const auto* from = inputs[i].as<std::int32_t>();
    auto* to = reinterpret_cast<std::int64_t*>(arena + widened_[i]);
    std::copy(from, from + inputs[i].elements(), to);
  }
  scratch_.place(arena + planned_bytes_);
  using Clock = std::chrono::steady_clock;
  for (Step& step : steps_) {
    for (std::size_t i = 0; i < step.inputs.size(); ++i)
      step.inputs[i].data = address(step.input_values[i], arena, inputs);
    for (std::size_t i = 0; i < step.outputs.size(); ++i)
      step.outputs[i].data = const_cast<std::byte*>(address(step.output_values[i], arena, inputs));
    if (!observer) {
      step.kernel->run(step.inputs, step.outputs);
      continue;
    }
    const auto start = Clock::now();
    step.kernel->run(step.inputs, step.outputs);
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const std::string kernel = step.kernel->implementation();
    observer({*step.node, step.inputs, step.outputs, seconds, kernel});
  }
  std::vector<Tensor> results;
  for (const ValueId id : graph_.outputs) {
    const TensorView& value = values_[static_cast<std::size_t>(id)];
    Tensor result(value.dtype, value.shape);
    if (result.bytes() > 0) std::memcpy(result.raw(), address(id, arena, inputs), result.bytes());
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace edgeclip::engine
