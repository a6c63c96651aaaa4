#include <cstring>

#include "engine/ops/families.h"
#include "engine/ops/indices.h"
#include "engine/ops/support.h"

/// Operators that copy a tensor and write updates into it by index.  Negative indices count from the back;
/// one out of range is an InvalidInput, found when the node runs.  Where several updates hit one place, they
/// are applied in the order they are in.
namespace edgeclip::engine {

namespace {

enum class ScatterReduction { kNone, kAdd, kMul, kMax, kMin };

/// The standard has add and mul since opset 16, max and min since 18; files of opsets 16 and 17 with the
/// latter are around, as onnxruntime runs them, and there is only one meaning.
ScatterReduction scatter_reduction(const Node& node) {
  const std::string name = node.string_or("reduction", "none");
  if (name == "none") return ScatterReduction::kNone;
  if (name == "add") return ScatterReduction::kAdd;
  if (name == "mul") return ScatterReduction::kMul;
  if (name == "max") return ScatterReduction::kMax;
  if (name == "min") return ScatterReduction::kMin;
  refuse(node, "reduction is '{}'", printable(name));
}

/// Integers wrap around as in Add and Mul; a NaN wins as in Max and Min.
template <class T>
T scattered(T old, T update, ScatterReduction reduction) {
  switch (reduction) {
    case ScatterReduction::kAdd:
      if constexpr (std::is_integral_v<T>)
        return static_cast<T>(static_cast<std::uint64_t>(old) + static_cast<std::uint64_t>(update));
      else
        return old + update;
    case ScatterReduction::kMul:
      if constexpr (std::is_integral_v<T>)
        return static_cast<T>(static_cast<std::uint64_t>(old) * static_cast<std::uint64_t>(update));
      else
        return old * update;
    case ScatterReduction::kMax:
      return old > update || old != old ? old : update;
    case ScatterReduction::kMin:
      return old < update || old != old ? old : update;
    default:
      return update;
  }
}

void require_reducible(const ShapeContext& context) {
  const DType dtype = context.inputs[0].dtype;
  if (scatter_reduction(context.node) != ScatterReduction::kNone && !is_float(dtype) && !is_integer(dtype))
    unsupported_type(context.node, dtype);
}

/// data, indices, updates -> data; indices and updates have one shape, which lies within data but for `axis`.
void infer_scatter_elements(ShapeContext& context) {
  const Node& node = context.node;
  const Shape &data = context.inputs[0].shape, &indices = context.inputs[1].shape;
  require_index_dtype(context, 1);
  require_same_dtype(context, 0, 2);
  require_reducible(context);
  const std::size_t axis = normalize_axis(node, node.int_or("axis", 0), data.size());
  require_rank(context, 1, data.size());
  if (context.inputs[2].shape != indices)
    refuse(node, "updates {} for indices {}", shape_string(context.inputs[2].shape), shape_string(indices));
  for (std::size_t d = 0; d < data.size(); ++d)
    if (d != axis && indices[d] > data[d])
      refuse(node, "indices {} reach beyond data {}", shape_string(indices), shape_string(data));
  infer_same(context);
}

/// visit(to, from, count): which elements of the updates go where in the output.
template <class Visit>
void walk_scatter_elements(const Node& node, const Inputs& inputs, Visit visit) {
  const Shape &data = inputs[0].shape, &shape = inputs[1].shape;
  const std::size_t axis = normalize_axis(node, node.int_or("axis", 0), data.size());
  const Shape own = strides_of(data), source = strides_of(shape);
  const Indices indices(inputs[1]);
  for (std::int64_t i = 0, n = inputs[1].elements(); i < n; ++i) {
    std::int64_t to = 0;
    for (std::size_t d = 0; d < shape.size(); ++d)
      to += (d == axis ? indices.at(node, i, data[axis]) : i / source[d] % shape[d]) * own[d];
    visit(to, i, std::int64_t{1});
  }
}

/// data: (a, b, ..., rest...), indices: (any..., k), updates: (any..., rest...), where k indices pick one
/// place in (a, b, ...).
void infer_scatter_nd(ShapeContext& context) {
  const Node& node = context.node;
  const Shape &data = context.inputs[0].shape, &indices = context.inputs[1].shape;
  if (context.inputs[1].dtype != DType::i64)
    refuse(node, "indices must be int64, not {}", dtype_name(context.inputs[1].dtype));
  require_same_dtype(context, 0, 2);
  require_reducible(context);
  if (data.empty() || indices.empty()) refuse(node, "data and indices must have dimensions");
  const std::int64_t k = indices.back();
  if (k < 1 || k > static_cast<std::int64_t>(data.size()))
    refuse(node, "{} indices for data {}", k, shape_string(data));
  Shape updates(indices.begin(), indices.end() - 1);
  updates.insert(updates.end(), data.begin() + k, data.end());
  if (context.inputs[2].shape != updates)
    refuse(node, "updates are {}, not {}", shape_string(context.inputs[2].shape), shape_string(updates));
  infer_same(context);
}

template <class Visit>
void walk_scatter_nd(const Node& node, const Inputs& inputs, Visit visit) {
  const Shape &data = inputs[0].shape, &shape = inputs[1].shape;
  const auto k = static_cast<std::size_t>(shape.back());
  const Shape strides = strides_of(data);
  const std::int64_t row = product(data, k, data.size()), rows = product(shape, 0, shape.size() - 1);
  const Indices indices(inputs[1]);
  for (std::int64_t r = 0; r < rows; ++r) {
    std::int64_t to = 0;
    for (std::size_t j = 0; j < k; ++j)
      to += indices.at(node, r * static_cast<std::int64_t>(k) + static_cast<std::int64_t>(j), data[j]) *
            strides[j];
    visit(to, r * row, row);
  }
}

/// cache (batch, ..., most, ...), update (batch, ..., length, ...), where the rows go in each sample (batch):
/// the cache with rows start, start + 1, ... along `axis` replaced, around its end where mode is "circular".
void infer_tensor_scatter(ShapeContext& context) {
  const Node& node = context.node;
  const Shape &cache = context.inputs[0].shape, &update = context.inputs[1].shape;
  const std::string mode = node.string_or("mode", "linear");
  if (mode != "linear" && mode != "circular") refuse(node, "mode is '{}'", printable(mode));
  require_same_dtype(context, 0, 1);
  const std::size_t axis = normalize_axis(node, node.int_or("axis", -2), cache.size());
  if (axis == 0) refuse(node, "axis 0 is the batch");
  require_rank(context, 1, cache.size());
  for (std::size_t d = 0; d < cache.size(); ++d)
    if (d == axis ? update[d] > cache[d] : update[d] != cache[d])
      refuse(node, "update {} for a cache of {}", shape_string(update), shape_string(cache));
  if (node.has_input(2)) {
    if (context.inputs[2].dtype != DType::i64)
      refuse(node, "write_indices must be int64, not {}", dtype_name(context.inputs[2].dtype));
    if (context.inputs[2].shape != Shape{cache[0]})
      refuse(node, "write_indices are {}, not one for each of {}", shape_string(context.inputs[2].shape),
             cache[0]);
  }
  infer_same(context);
}

template <class Visit>
void walk_tensor_scatter(const Node& node, const Inputs& inputs, Visit visit) {
  const Shape &cache = inputs[0].shape, &update = inputs[1].shape;
  const std::size_t axis = normalize_axis(node, node.int_or("axis", -2), cache.size());
  const bool circular = node.string_or("mode", "linear") == "circular";
  const std::int64_t most = cache[axis], length = update[axis], per_sample = product(cache, 1, axis),
                     inner = product(cache, axis + 1, cache.size());
  for (std::int64_t b = 0; b < cache[0]; ++b) {
    const std::int64_t start = node.has_input(2) ? inputs[2].as<std::int64_t>()[b] : 0;
    if (start < 0 || (!circular && start > most - length))
      refuse(node, "write index {} for {} rows of {}", start, length, most);
    for (std::int64_t p = b * per_sample; p < (b + 1) * per_sample; ++p)
      for (std::int64_t s = 0; s < length; ++s)
        visit((p * most + (start % most + s) % most) * inner, (p * length + s) * inner, inner);
  }
}

/// updates: which input they are.
template <class Walk>
void run_scattering(const Node& node, const Inputs& inputs, const Outputs& outputs, std::size_t updates,
                    Walk walk) {
  copy_elements(node, inputs, outputs);
  if (inputs[updates].elements() == 0) return;
  const ScatterReduction reduction = scatter_reduction(node);
  if (reduction == ScatterReduction::kNone) {
    const std::size_t size = dtype_size(inputs[0].dtype);
    walk([&](std::int64_t to, std::int64_t from, std::int64_t count) {
      std::memcpy(outputs[0].data + static_cast<std::size_t>(to) * size,
                  inputs[updates].data + static_cast<std::size_t>(from) * size,
                  static_cast<std::size_t>(count) * size);
    });
    return;
  }
  visit_number(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = inputs[updates].as<T>();
    T* y = outputs[0].as<T>();
    walk([&](std::int64_t to, std::int64_t from, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i) y[to + i] = scattered(y[to + i], x[from + i], reduction);
    });
  });
}

void run_scatter_elements(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  run_scattering(node, inputs, outputs, 2, [&](auto visit) { walk_scatter_elements(node, inputs, visit); });
}

void run_scatter_nd(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  run_scattering(node, inputs, outputs, 2, [&](auto visit) { walk_scatter_nd(node, inputs, visit); });
}

void run_tensor_scatter(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  run_scattering(node, inputs, outputs, 1, [&](auto visit) { walk_tensor_scatter(node, inputs, visit); });
}

}  // namespace

const std::vector<Operator>& scatter_operators() {
  static const std::vector<Operator> rows = {
      // Deprecated since opset 11 (ScatterElements means the same), but files still hold it.
      {"Scatter", "", 9, kNewestOpset, infer_scatter_elements, run_scatter_elements, 3, 3, 1, "axis:i"},
      {"ScatterElements", "", 11, 15, infer_scatter_elements, run_scatter_elements, 3, 3, 1, "axis:i"},
      {"ScatterElements", "", 16, kNewestOpset, infer_scatter_elements, run_scatter_elements, 3, 3, 1,
       "axis:i reduction:s"},
      {"ScatterND", "", 11, 15, infer_scatter_nd, run_scatter_nd, 3, 3},
      {"ScatterND", "", 16, kNewestOpset, infer_scatter_nd, run_scatter_nd, 3, 3, 1, "reduction:s"},
      {"TensorScatter", "", 24, kNewestOpset, infer_tensor_scatter, run_tensor_scatter, 2, 3, 1,
       "axis:i mode:s"},
  };
  return rows;
}

}  // namespace edgeclip::engine
