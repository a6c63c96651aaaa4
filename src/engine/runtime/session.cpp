#include "engine/runtime/session.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <list>
#include <optional>
#include <utility>

#include "base/threads.h"
#include "engine/ops/check_node.h"
#include "engine/ops/support.h"
#include "engine/runtime/memory_planner.h"
#include "engine/runtime/specialization.h"
#include "kernels/thread_pool.h"

namespace edgeclip::engine {

namespace {

/// Input shapes that a context keeps ready: a few batch profiles times the token counts of captions.
constexpr std::size_t kMaxSpecializations = 64;

/// "pixel_values (batch, 3, 224, 224) float32"
std::string expected_input(const Value& value) {
  std::string dims;
  if (value.shape) {
    for (std::size_t i = 0; i < value.shape->size(); ++i) {
      const std::int64_t dim = (*value.shape)[i];
      const bool named = i < value.symbols.size() && !value.symbols[i].empty();
      dims += (i == 0 ? "" : ", ") + (dim >= 0 ? std::to_string(dim)
                                      : named  ? value.symbols[i]
                                               : std::string("?"));
    }
  } else {
    dims = "...";
  }
  return fmt::format("({}) {}", dims, dtype_name(value.dtype));
}

std::vector<TensorView> without_data(const std::vector<Shape>& shapes) {
  std::vector<TensorView> views;
  for (const Shape& shape : shapes) views.push_back({DType::f32, shape, nullptr});
  return views;
}

/// The arena of a context: grows at once, shrinks when nothing of its size was needed for a while.
class Arena {
 public:
  explicit Arena(std::shared_ptr<MemoryPool> pool) : pool_(std::move(pool)) {}

  std::byte* at_least(std::int64_t bytes) {
    most_ = std::max(most_, bytes);
    if (++runs_ >= kWindow) {
      if (most_ < block_.bytes() / 2) block_.release();
      runs_ = 0;
      most_ = bytes;
    }
    if (bytes > block_.bytes()) {
      block_.release();
      block_ = pool_->allocate(bytes);
    }
    return block_.data();
  }

 private:
  static constexpr int kWindow = 1024;  ///< runs

  std::shared_ptr<MemoryPool> pool_;
  MemoryPool::Block block_;
  std::int64_t most_ = 0;  ///< of the runs of this window
  int runs_ = 0;
};

/// "4.0 MiB"
std::string mebibyte_text(std::int64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / static_cast<double>(kMebibyte));
}

/// "model NAME", for messages.
std::string model_label(const Graph& graph) {
  return graph.name.empty() ? "model" : "model " + printable(graph.name);
}

void say_opened(const SessionParts& parts) {
  if (!log_wanted(parts.options.log, LogLevel::kDebug)) return;
  std::int64_t constants = 0;
  for (std::size_t i = 0; i < parts.graph.value_count(); ++i)
    if (const auto& constant = parts.graph.value(static_cast<ValueId>(i)).constant)
      constants += static_cast<std::int64_t>(constant->bytes());
  log_message(parts.options.log, LogLevel::kDebug,
              fmt::format("{}: {} nodes, {} of weights, a memory pool of {} MiB for each context",
                          model_label(parts.graph), parts.graph.nodes().size(), mebibyte_text(constants),
                          parts.options.memory_pool_mb));
}

/// What was made ready, and once per session which layers will be slow.
void say_ready(const SessionParts& parts, const Specialization& ready, const std::vector<Shape>& shapes) {
  const LogCallback& log = parts.options.log;
  const std::string model = model_label(parts.graph);
  if (log_wanted(log, LogLevel::kDebug)) {
    std::string inputs;
    for (std::size_t i = 0; i < shapes.size(); ++i)
      inputs +=
          fmt::format("{}{} {}", i == 0 ? "" : ", ", printable(parts.graph.value(parts.graph.inputs[i]).name),
                      shape_string(shapes[i]));
    log_message(
        log, LogLevel::kDebug,
        fmt::format("{}: ready for {}: {} of activations, {} of scratch, {} of weights packed so far",
                    model, inputs, mebibyte_text(ready.activation_bytes()),
                    mebibyte_text(ready.arena_bytes() - ready.activation_bytes()),
                    mebibyte_text(parts.backend->packed_bytes())));
  }
  if (parts.options.reference || parts.told_reference_layers || !log_wanted(log, LogLevel::kInfo)) return;
  const std::vector<std::string> slow = ready.reference_layers();
  if (slow.empty() || parts.told_reference_layers.exchange(true)) return;
  constexpr std::size_t kMost = 8;
  const std::vector<std::string> named(
      slow.begin(), slow.begin() + static_cast<std::ptrdiff_t>(std::min(slow.size(), kMost)));
  log_message(log, LogLevel::kInfo,
              fmt::format("{}: {} of {} layers run by readable single-threaded kernels: {}{}", model,
                          slow.size(), ready.layers().size(), fmt::join(named, ", "),
                          slow.size() > kMost ? ", ..." : ""));
}

}  // namespace

Session::Session(Graph graph, const SessionOptions& options) {
  graph.check();
  if (options.memory_pool_mb < 1)
    invalid_input("--memory-pool-mb {}: at least 1 is needed", options.memory_pool_mb);
  if (options.threads < 0) invalid_input("threads {}: 0 or more are needed", options.threads);
  for (const Node& node : graph.nodes()) {
    graph.verify_attributes(node);
    check_node(node);
  }
  auto parts = std::make_shared<SessionParts>();
  parts->graph = std::move(graph);
  parts->options = options;
  if (options.executor)
    parts->executor = options.executor;
  else if (options.reference)  // its kernels use the calling thread alone
    parts->executor = {std::shared_ptr<void>(), &kernels::serial_executor()};
  else
    parts->executor = kernels::shared_pool(options.threads > 0 ? options.threads : thread_count());
  const PackedKeeping keeping{options.packed_cache ? parts->graph.source : nullptr, options.log};
  parts->backend = options.reference ? make_reference_backend() : make_cpu_backend(keeping);
  for (const Node& node : parts->graph.nodes()) {
    Inputs constants;
    for (const ValueId id : node.inputs) {
      const Value* value = id == kNoValue ? nullptr : &parts->graph.value(id);
      constants.push_back(value && value->is_constant() ? value->constant->view() : TensorView{});
      if (constants.back().data != nullptr &&
          !parts->backend->verifies_itself(node, constants.size() - 1, constants.back()))
        parts->graph.verify_constants({id});  // now, since preparing reads them anyway
    }
    parts->nodes.push_back(parts->backend->prepare(node, constants));
  }
  parts->graph.verify_constants(parts->graph.outputs);
  parts_ = std::move(parts);
  say_opened(*parts_);
}

Session::~Session() = default;
const Graph& Session::graph() const { return parts_->graph; }
const SessionOptions& Session::options() const { return parts_->options; }
std::int64_t Session::packed_bytes() const { return parts_->backend->packed_bytes(); }

struct Context::State {
  struct Ready {
    std::vector<Shape> shapes;
    std::vector<std::optional<Tensor>> data;  ///< of shape inputs; empty where shapes alone decide
    std::unique_ptr<Specialization> specialization;
    std::uint64_t packed = 0;  ///< Backend::packed_generation() that its kernels are of

    bool fits(const std::vector<TensorView>& inputs) const {
      if (shapes.size() != inputs.size()) return false;
      for (std::size_t i = 0; i < shapes.size(); ++i)
        if (shapes[i] != inputs[i].shape) return false;
      for (std::size_t i = 0; i < data.size(); ++i)
        if (data[i] && std::memcmp(data[i]->raw(), inputs[i].data, data[i]->bytes()) != 0) return false;
      return true;
    }
  };

  explicit State(std::shared_ptr<const SessionParts> p)
      : parts(std::move(p)),
        arena(parts->options.pool ? parts->options.pool : std::make_shared<MemoryPool>()) {}

  /// The most recently used first.
  Specialization& ready_for(const std::vector<TensorView>& inputs) {
    for (auto it = ready.begin(); it != ready.end(); ++it) {
      if (!it->fits(inputs)) continue;
      if (it->packed != parts->backend->packed_generation()) {  // it holds memory that nobody else needs
        ready.erase(it);
        break;
      }
      ready.splice(ready.begin(), ready, it);
      return *ready.front().specialization;
    }
    Ready made;
    for (const TensorView& input : inputs) made.shapes.push_back(input.shape);
    check_shapes(made.shapes);
    try {
      made.specialization = specialize(made);
    } catch (const DependsOnData&) {
      made.data = shape_data(inputs);
      if (made.data.empty()) throw;
      made.specialization = specialize(made);
    }
    if (ready.size() == kMaxSpecializations) ready.pop_back();
    ready.push_front(std::move(made));
    return *ready.front().specialization;
  }

  std::unique_ptr<Specialization> specialize(Ready& made) {
    std::vector<std::optional<Tensor>> data = made.data;
    for (std::size_t i = 0; i < data.size(); ++i)
      if (data[i] && data[i]->dtype() != parts->graph.value(parts->graph.inputs[i]).dtype)
        data[i] = widened(*data[i]);
    std::unique_ptr<Specialization> ready_now;
    do {
      ready_now.reset();  // and with it the private memory of what is mapped by now
      made.packed = parts->backend->packed_generation();
      ready_now = std::make_unique<Specialization>(*parts, made.shapes, data);
      parts->backend->keep_packed();
    } while (made.packed != parts->backend->packed_generation());
    say_ready(*parts, *ready_now, made.shapes);
    return ready_now;
  }

  static Tensor widened(const Tensor& narrow) {
    Tensor wide(DType::i64, narrow.shape());
    std::copy_n(narrow.data<std::int32_t>(), narrow.elements(), wide.data<std::int64_t>());
    return wide;
  }

  /// Copies of the inputs that may say how large something becomes (the shape of a Reshape, the pads of a
  /// Pad, the scales of a Resize): short lists.  Empty if there are none.
  static std::vector<std::optional<Tensor>> shape_data(const std::vector<TensorView>& inputs) {
    constexpr std::int64_t kLongest = 64;
    std::vector<std::optional<Tensor>> data(inputs.size());
    bool any = false;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const TensorView& input = inputs[i];
      if (input.shape.size() > 1 || input.elements() > kLongest || input.data == nullptr) continue;
      Tensor copy(input.dtype, input.shape);
      std::copy_n(input.data, input.bytes(), copy.raw());
      data[i] = std::move(copy);
      any = true;
    }
    return any ? data : std::vector<std::optional<Tensor>>();
  }

  void check_types(const std::vector<TensorView>& inputs) const {
    const Graph& graph = parts->graph;
    for (std::size_t i = 0; i < std::min(inputs.size(), graph.inputs.size()); ++i) {
      const Value& value = graph.value(graph.inputs[i]);
      const bool widens = value.dtype == DType::i64 && inputs[i].dtype == DType::i32;
      if (inputs[i].dtype != value.dtype && !widens)
        invalid_input("input {}: expected {}, given {} {}", value.name, expected_input(value),
                      shape_string(inputs[i].shape), dtype_name(inputs[i].dtype));
    }
  }

  void check_outputs(const Specialization& ready, const std::vector<OutputView>& outputs) const {
    if (outputs.size() != parts->graph.outputs.size())
      invalid_input("model {}: {} outputs are made, there is memory for {}", parts->graph.name,
                    parts->graph.outputs.size(), outputs.size());
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const auto& made = ready.output(i);
      if (outputs[i].dtype != made.dtype || outputs[i].shape != made.shape)
        invalid_input("output {}: is {} {}, there is memory for {} {}",
                      parts->graph.value(parts->graph.outputs[i]).name, shape_string(made.shape),
                      dtype_name(made.dtype), shape_string(outputs[i].shape), dtype_name(outputs[i].dtype));
    }
  }

  void check_shapes(const std::vector<Shape>& shapes) const {
    const Graph& graph = parts->graph;
    if (shapes.size() != graph.inputs.size())
      invalid_input("model {}: {} inputs are needed, {} given", graph.name, graph.inputs.size(),
                    shapes.size());
    std::map<std::string, std::pair<std::int64_t, std::string>> symbols;
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      const Value& value = graph.value(graph.inputs[i]);
      bool fits = !value.shape || value.shape->size() == shapes[i].size();
      for (std::size_t d = 0; fits && value.shape && d < shapes[i].size(); ++d) {
        const std::int64_t dim = shapes[i][d];
        fits = dim >= 0 && ((*value.shape)[d] < 0 || (*value.shape)[d] == dim);
        if (!fits || d >= value.symbols.size() || value.symbols[d].empty()) continue;
        const auto [it, fresh] = symbols.try_emplace(value.symbols[d], dim, value.name);
        if (!fresh && it->second.first != dim)
          invalid_input("input {}: its {} is {}, that of input {} is {}", value.name, value.symbols[d], dim,
                        it->second.second, it->second.first);
      }
      if (!fits)
        invalid_input("input {}: expected {}, given shape {}", value.name, expected_input(value),
                      shape_string(shapes[i]));
    }
  }

  std::shared_ptr<const SessionParts> parts;
  std::list<Ready> ready;
  Arena arena;
  Observer observer;
};

Context::Context(const Session& session) : state_(std::make_unique<State>(session.parts_)) {}
Context::~Context() = default;

std::vector<Tensor> Context::run(const std::vector<TensorView>& inputs) {
  std::vector<Tensor> results;
  std::vector<OutputView> outputs = output_views(inputs);
  for (OutputView& output : outputs) {
    results.emplace_back(output.dtype, output.shape);
    output.data = results.back().raw();
  }
  run(inputs, outputs);
  return results;
}

std::vector<OutputView> Context::output_views(const std::vector<TensorView>& inputs) {
  state_->check_types(inputs);
  return state_->ready_for(inputs).outputs();
}

void Context::run(const std::vector<TensorView>& inputs, const std::vector<OutputView>& outputs) {
  state_->check_types(inputs);
  const kernels::ExecutorUse use(*state_->parts->executor);
  Specialization& specialization = state_->ready_for(inputs);
  state_->check_outputs(specialization, outputs);
  specialization.run(state_->arena.at_least(specialization.arena_bytes()), inputs, outputs, state_->observer);
}

void Context::set_observer(Observer observer) { state_->observer = std::move(observer); }

std::vector<Context::Layer> Context::layers(const std::vector<Shape>& input_shapes) {
  return state_->ready_for(without_data(input_shapes)).layers();
}

Context::ArenaBytes Context::arena_bytes(const std::vector<Shape>& input_shapes) {
  const Specialization& ready = state_->ready_for(without_data(input_shapes));
  return {ready.activation_bytes(), ready.arena_bytes() - ready.activation_bytes()};
}

}  // namespace edgeclip::engine
