#include <cstdint>

#include "engine/c_api/call.h"
#include "engine/c_api/session.h"
#include "engine/runtime/node_profile.h"

/// One call at a time.
struct edgeclip_context {
  struct Output {
    void* bound = nullptr;  ///< the caller's
    std::size_t capacity = 0;
    edgeclip::Tensor own;         ///< used where nothing is bound
    edgeclip::TensorView view{};  ///< of the last run
    bool known = false;           ///< whether view is
  };
  struct Layer {
    std::string name, op, kernel, precision, output;
    double ms = 0;
    std::int64_t macs = 0, bytes = 0;
  };

  explicit edgeclip_context(std::shared_ptr<const edgeclip::c_api::OpenedGraph> graph)
      : opened(std::move(graph)), context(opened->session) {}

  const std::shared_ptr<const edgeclip::c_api::OpenedGraph> opened;
  edgeclip::engine::Context context;
  std::vector<edgeclip::TensorView> inputs;
  std::vector<bool> bound;  ///< parallel to inputs
  std::vector<Output> outputs;
  std::unique_ptr<edgeclip::engine::NodeProfile> profile;
  std::vector<Layer> layers;
  mutable std::atomic<bool> busy{false};
};

namespace edgeclip::c_api {

namespace {

constexpr std::size_t kMostDims = 64;
constexpr const char* kContext = "context";

bool is_aligned(const void* data, DType dtype) {
  return reinterpret_cast<std::uintptr_t>(data) % dtype_size(dtype) == 0;
}

const std::string& name_of(const OpenedGraph& opened, engine::ValueId id) {
  return opened.graph().value(id).name;
}

/// What is bound, checked as far as it can be without data.
TensorView tensor_of(const std::string& what, edgeclip_dtype dtype, const std::int64_t* dims,
                     std::size_t rank, const void* data, std::size_t bytes) {
  if (edgeclip_dtype_size(dtype) == 0) invalid_input("{}: {} is no element type", what, dtype);
  if (rank > kMostDims) invalid_input("{}: {} dimensions, at most {} are possible", what, rank, kMostDims);
  if (rank > 0) required(dims, "dims");
  TensorView view;
  view.dtype = static_cast<DType>(dtype);
  view.shape.assign(dims, dims + rank);
  view.data = static_cast<const std::byte*>(data);
  std::uint64_t elements = 0;
  const std::size_t size = dtype_size(view.dtype);
  if (!checked_num_elements(view.shape, &elements) ||
      elements > static_cast<std::uint64_t>(PTRDIFF_MAX) / size)
    invalid_input("{}: {} is no shape", what, shape_string(view.shape));
  if (elements * size != bytes)
    invalid_input("{}: {} {} is {} bytes, given {}", what, shape_string(view.shape), dtype_name(view.dtype),
                  elements * size, bytes);
  if (data == nullptr && bytes > 0) invalid_input("{}: data is NULL", what);
  if (!is_aligned(data, view.dtype))
    invalid_input("{}: its data is not aligned to {} bytes", what, dtype_size(view.dtype));
  return view;
}

void require_inputs(const edgeclip_context& c) {
  std::vector<Shape> shapes;
  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
    if (!c.bound[i])
      invalid_input("input {}: nothing is bound to it", name_of(*c.opened, c.opened->graph().inputs[i]));
    shapes.push_back(c.inputs[i].shape);
  }
  if (c.opened->plan) engine::check_input_shapes(*c.opened->plan, c.opened->name, c.opened->graph(), shapes);
}

/// Makes the shapes ready; where each output goes.  Nothing is bound to `known` outputs of an earlier run
/// then.
std::vector<engine::OutputView> prepare(edgeclip_context& c) {
  for (auto& output : c.outputs) output.known = false;
  require_inputs(c);
  std::vector<engine::OutputView> views = c.context.output_views(c.inputs);
  for (std::size_t i = 0; i < views.size(); ++i) {
    edgeclip_context::Output& output = c.outputs[i];
    const engine::OutputView& view = views[i];
    const std::size_t bytes = static_cast<std::size_t>(num_elements(view.shape)) * dtype_size(view.dtype);
    output.view = {view.dtype, view.shape, static_cast<const std::byte*>(output.bound)};
    if (output.bound == nullptr) continue;
    const std::string& name = name_of(*c.opened, c.opened->graph().outputs[i]);
    if (bytes > output.capacity)
      invalid_input("output {}: {} {} is {} bytes, room for {} is bound", name, shape_string(view.shape),
                    dtype_name(view.dtype), bytes, output.capacity);
    if (!is_aligned(output.bound, view.dtype))
      invalid_input("output {}: what is bound to it is not aligned to {} bytes", name,
                    dtype_size(view.dtype));
  }
  for (auto& output : c.outputs) output.known = true;
  return views;
}

void run(edgeclip_context& c) {
  std::vector<engine::OutputView> views = prepare(c);
  for (std::size_t i = 0; i < views.size(); ++i) {
    edgeclip_context::Output& output = c.outputs[i];
    output.known = false;
    if (output.bound == nullptr) {
      if (!output.own.defined() || output.own.dtype() != views[i].dtype ||
          output.own.shape() != views[i].shape)
        output.own = Tensor(views[i].dtype, views[i].shape);
      output.view.data = output.own.raw();
    }
    views[i].data = const_cast<std::byte*>(output.view.data);
  }
  c.context.run(c.inputs, views);
  for (auto& output : c.outputs) output.known = true;
}

/// The layers as NodeProfile tells them.
void take_layers(edgeclip_context& c, std::size_t* runs) {
  const Json json = c.profile->json();
  std::vector<edgeclip_context::Layer> layers;
  for (const Json& layer : json.at("layers"))
    layers.push_back({layer.at("name"), layer.at("op"), layer.at("kernel"), layer.at("precision"),
                      layer.at("output"), layer.at("ms"), layer.at("macs"), layer.at("bytes")});
  c.layers = std::move(layers);
  if (runs != nullptr) *runs = json.at("runs").get<std::size_t>();
}

}  // namespace

}  // namespace edgeclip::c_api

using namespace edgeclip;
using namespace edgeclip::c_api;

extern "C" {

edgeclip_status edgeclip_context_create(const edgeclip_session* session, edgeclip_context** context) {
  return guarded([&] {
    required(context, kContext) = nullptr;
    auto made = std::make_unique<edgeclip_context>(required(session, "session").opened);
    made->inputs.resize(session->inputs.size());
    made->bound.resize(session->inputs.size());
    made->outputs.resize(session->outputs.size());
    *context = made.release();
  });
}

void edgeclip_context_destroy(edgeclip_context* context) { delete context; }

edgeclip_status edgeclip_bind_input(edgeclip_context* context, size_t index, edgeclip_dtype dtype,
                                    const int64_t* dims, size_t rank, const void* data, size_t bytes) {
  return guarded([&] {
    edgeclip_context& c = required(context, kContext);
    const OneAtATime one(c.busy, kContext);
    require_index(index, c.inputs.size(), "input");
    const std::string what = "input " + name_of(*c.opened, c.opened->graph().inputs[index]);
    c.inputs[index] = tensor_of(what, dtype, dims, rank, data, bytes);
    c.bound[index] = true;
  });
}

edgeclip_status edgeclip_bind_output(edgeclip_context* context, size_t index, void* data, size_t bytes) {
  return guarded([&] {
    edgeclip_context& c = required(context, kContext);
    const OneAtATime one(c.busy, kContext);
    require_index(index, c.outputs.size(), "output");
    if (data == nullptr && bytes > 0) invalid_input("output {}: {} bytes at NULL", index, bytes);
    c.outputs[index].bound = data;
    c.outputs[index].capacity = bytes;
    c.outputs[index].known = false;
  });
}

edgeclip_status edgeclip_prepare(edgeclip_context* context) {
  return guarded([&] {
    edgeclip_context& c = required(context, kContext);
    const OneAtATime one(c.busy, kContext);
    prepare(c);
  });
}

edgeclip_status edgeclip_run(edgeclip_context* context) {
  return guarded([&] {
    edgeclip_context& c = required(context, kContext);
    const OneAtATime one(c.busy, kContext);
    run(c);
  });
}

edgeclip_status edgeclip_output(const edgeclip_context* context, size_t index, edgeclip_tensor* tensor) {
  return guarded([&] {
    const edgeclip_context& c = required(context, kContext);
    const OneAtATime one(c.busy, kContext);
    require_index(index, c.outputs.size(), "output");
    const edgeclip_context::Output& output = c.outputs[index];
    if (!output.known) invalid_input("output {}: there is none yet; call edgeclip_run()", index);
    edgeclip_tensor to{};
    to.dtype = static_cast<edgeclip_dtype>(output.view.dtype);
    to.rank = static_cast<std::int32_t>(output.view.shape.size());
    to.dims = output.view.shape.data();
    to.data = output.view.data;
    to.bytes = output.view.bytes();
    write_struct(tensor, sizeof(edgeclip_tensor), "tensor", to);
  });
}

edgeclip_status edgeclip_set_profiling(edgeclip_context* context, int32_t on) {
  return guarded([&] {
    edgeclip_context& c = required(context, kContext);
    const OneAtATime one(c.busy, kContext);
    if (on != 0) {
      c.profile = std::make_unique<engine::NodeProfile>(c.context);
      c.layers.clear();
    } else {
      c.context.set_observer(nullptr);
    }
  });
}

edgeclip_status edgeclip_profile(edgeclip_context* context, size_t* layers, size_t* runs) {
  return guarded([&] {
    edgeclip_context& c = required(context, kContext);
    const OneAtATime one(c.busy, kContext);
    if (c.profile == nullptr)
      invalid_input("profile: nothing is measured; call edgeclip_set_profiling(context, 1)");
    take_layers(c, runs);
    if (layers != nullptr) *layers = c.layers.size();
  });
}

edgeclip_status edgeclip_profile_layer(const edgeclip_context* context, size_t index, edgeclip_layer* layer) {
  return guarded([&] {
    const edgeclip_context& c = required(context, kContext);
    const OneAtATime one(c.busy, kContext);
    require_index(index, c.layers.size(), "layer");
    const edgeclip_context::Layer& from = c.layers[index];
    edgeclip_layer to{};
    to.name = from.name.c_str();
    to.op = from.op.c_str();
    to.kernel = from.kernel.c_str();
    to.precision = from.precision.c_str();
    to.output = from.output.c_str();
    to.ms = from.ms;
    to.macs = from.macs;
    to.bytes = from.bytes;
    write_struct(layer, sizeof(edgeclip_layer), "layer", to);
  });
}

}  // extern "C"
