#include "engine/runtime/session.h"

#include <omp.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <list>
#include <optional>
#include <utility>

#include "engine/ops/check_node.h"
#include "engine/ops/support.h"
#include "engine/runtime/memory_planner.h"
#include "engine/runtime/specialization.h"

namespace edgeclip::engine {

namespace {

/// Input shapes that a context keeps ready: a few batch profiles times a few token counts.
constexpr std::size_t kMaxSpecializations = 16;

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

/// The arena: uninitialized, aligned, only grows.
class Arena {
 public:
  std::byte* at_least(std::int64_t bytes) {
    if (bytes > capacity_) {
      data_.reset();
      capacity_ = 0;
      const auto size =
          static_cast<std::size_t>((bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment);
      data_.reset(
          static_cast<std::byte*>(std::aligned_alloc(static_cast<std::size_t>(kArenaAlignment), size)));
      if (!data_) throw std::bad_alloc();
      capacity_ = bytes;
    }
    return data_.get();
  }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::int64_t capacity_ = 0;
};

}  // namespace

struct Session::State {
  Graph graph;
  SessionOptions options;
  PackedWeights weights;
};

Session::Session(Graph graph, const SessionOptions& options) : state_(std::make_shared<State>()) {
  graph.check();
  if (options.memory_pool_mb < 1)
    invalid_input("--memory-pool-mb {}: at least 1 is needed", options.memory_pool_mb);
  for (const Node& node : graph.nodes()) check_node(node);
  state_->graph = std::move(graph);
  state_->options = options;
}

Session::~Session() = default;
const Graph& Session::graph() const { return state_->graph; }
const SessionOptions& Session::options() const { return state_->options; }

struct Context::State {
  struct Ready {
    std::vector<Shape> shapes;
    std::vector<std::optional<Tensor>> data;  ///< of shape inputs; empty where shapes alone decide
    int threads = 0;  ///< oneDNN divides work for the thread count at the time a primitive is made
    std::unique_ptr<Specialization> specialization;

    bool fits(const std::vector<TensorView>& inputs) const {
      if (shapes.size() != inputs.size()) return false;
      for (std::size_t i = 0; i < shapes.size(); ++i)
        if (shapes[i] != inputs[i].shape) return false;
      for (std::size_t i = 0; i < data.size(); ++i)
        if (data[i] && std::memcmp(data[i]->raw(), inputs[i].data, data[i]->bytes()) != 0) return false;
      return true;
    }
  };

  explicit State(std::shared_ptr<Session::State> s) : session(std::move(s)) {}

  /// The most recently used first.
  Specialization& ready_for(const std::vector<TensorView>& inputs) {
    const int threads = omp_get_max_threads();
    for (auto it = ready.begin(); it != ready.end(); ++it) {
      if (it->threads != threads || !it->fits(inputs)) continue;
      ready.splice(ready.begin(), ready, it);
      return *ready.front().specialization;
    }
    Ready made;
    made.threads = threads;
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

  std::unique_ptr<Specialization> specialize(const Ready& made) {
    std::vector<std::optional<Tensor>> data = made.data;
    for (std::size_t i = 0; i < data.size(); ++i)
      if (data[i] && data[i]->dtype() != session->graph.value(session->graph.inputs[i]).dtype)
        data[i] = widened(*data[i]);
    return std::make_unique<Specialization>(session->graph, session->options, made.shapes, data,
                                            session->weights, stream);
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

  void check_shapes(const std::vector<Shape>& shapes) const {
    const Graph& graph = session->graph;
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

  std::shared_ptr<Session::State> session;
  dnnl::stream stream{onednn_engine()};
  std::list<Ready> ready;
  Arena arena;
  Observer observer;
};

Context::Context(const Session& session) : state_(std::make_unique<State>(session.state_)) {}
Context::~Context() = default;

std::vector<Tensor> Context::run(const std::vector<TensorView>& inputs) {
  const Graph& graph = state_->session->graph;
  for (std::size_t i = 0; i < std::min(inputs.size(), graph.inputs.size()); ++i) {
    const Value& value = graph.value(graph.inputs[i]);
    const bool widens = value.dtype == DType::i64 && inputs[i].dtype == DType::i32;
    if (inputs[i].dtype != value.dtype && !widens)
      invalid_input("input {}: expected {}, given {} {}", value.name, expected_input(value),
                    shape_string(inputs[i].shape), dtype_name(inputs[i].dtype));
  }
  Specialization& specialization = state_->ready_for(inputs);
  return specialization.run(state_->arena.at_least(specialization.arena_bytes()), inputs, state_->observer);
}

void Context::set_observer(Observer observer) { state_->observer = std::move(observer); }

std::vector<Context::Layer> Context::layers(const std::vector<Shape>& input_shapes) {
  return state_->ready_for(without_data(input_shapes)).layers();
}

std::int64_t Context::arena_bytes(const std::vector<Shape>& input_shapes) {
  return state_->ready_for(without_data(input_shapes)).arena_bytes();
}

}  // namespace edgeclip::engine
