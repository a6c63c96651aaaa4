#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/cpu/axis_map.h"
#include "engine/cpu/cpu_node.h"
#include "engine/ops/pads.h"
#include "engine/ops/resize_axis.h"
#include "engine/ops/support.h"

/// Operators that move elements so that each dimension says by itself where its part comes from: Pad, Tile,
/// DepthToSpace, SpaceToDepth, Resize and Upsample to the nearest, Transpose.
namespace edgeclip::engine {

namespace {

/// A dimension longer than this has no table: its places would take more memory than they are worth.
constexpr std::int64_t kLongestTable = std::int64_t{1} << 20;

bool has_tables(const Shape& y) {
  return std::all_of(y.begin(), y.end(), [](std::int64_t d) { return d <= kLongestTable; });
}

/// The tables of (N, C, spatial...) in the order that the output lies in.
AxisMap stored_map(AxisMap map, Layout layout) {
  if (layout == Layout::channels_last)
    std::rotate(map.from.begin() + 1, map.from.begin() + 2, map.from.end());
  return map;
}

/// Strides of (N, C, spatial...), which lies as `layout`, in the order of the shape.
Shape strides_in(const Shape& shape, Layout layout) {
  Shape strides = strides_of(stored_shape(shape, layout));
  if (layout == Layout::channels_last) std::rotate(strides.begin() + 1, strides.end() - 1, strides.end());
  return strides;
}

class MoveNode : public CpuNode {
 public:
  explicit MoveNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

  Layouts layouts(const Inputs& inputs, const Outputs& outputs,
                  const std::vector<Layout>& given) const override {
    const bool follows = moved_as(inputs[0].dtype).has_value() && inputs[0].shape.size() >= 3 &&
                         inputs[0].shape.size() == outputs[0].shape.size();
    return as_first_input(inputs, outputs, follows ? given : std::vector<Layout>{Layout::plain});
  }

 protected:
  static bool known(const BindRequest& request, std::size_t i) {
    return i >= request.inputs.size() || request.inputs[i].elements() == 0 ||
           request.inputs[i].data != nullptr;
  }
};

class PadNode final : public MoveNode {
 public:
  using MoveNode::MoveNode;

 private:
  std::size_t data_inputs() const override { return 1; }
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Shape &x = request.inputs[0].shape, &y = request.outputs[0].shape;
    const DType dtype = request.inputs[0].dtype;
    if (!has_tables(y) || (node.has_input(1) && !known(request, 1)) ||
        (node.has_input(3) && !known(request, 3)))
      return nullptr;
    if (node.has("value") && dtype != DType::f32) return nullptr;
    const Pads pads =
        pads_of(node, x.size(), ints_attribute_or_input(node, request.inputs, "pads", 1, {}),
                node.has_input(3) ? int_values(node, request.inputs[3]) : std::vector<std::int64_t>{});
    const PadMode mode = pad_mode(node);
    const Layout layout = request.layouts.inputs[0];
    const Shape strides = strides_in(x, layout);
    AxisMap map;
    for (std::size_t d = 0; d < x.size(); ++d) {
      std::vector<std::int64_t> from;
      for (std::int64_t i = 0; i < y[d]; ++i) {
        const std::int64_t p =
            padded_from(mode, i - pads.before[d], std::max<std::int64_t>(0, -pads.before[d]),
                        std::min(x[d], x[d] + pads.after[d]));
        from.push_back(p < 0 ? AxisMap::kFill : p * strides[d]);
      }
      map.from.push_back(std::move(from));
    }
    std::uint64_t fill = 0;
    const float value = node.float_or("value", 0);
    if (node.has("value")) std::memcpy(&fill, &value, sizeof value);
    return make_axis_map(request.executor, stored_map(std::move(map), layout), dtype, 2, fill);
  }
};

class TileNode final : public MoveNode {
 public:
  using MoveNode::MoveNode;

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Shape &x = request.inputs[0].shape, &y = request.outputs[0].shape;
    if (!has_tables(y)) return nullptr;
    const Layout layout = request.layouts.inputs[0];
    const Shape strides = strides_in(x, layout);
    AxisMap map;
    for (std::size_t d = 0; d < x.size(); ++d) {
      std::vector<std::int64_t> from;
      for (std::int64_t i = 0; i < y[d]; ++i) from.push_back(i % x[d] * strides[d]);
      map.from.push_back(std::move(from));
    }
    return make_axis_map(request.executor, stored_map(std::move(map), layout), request.inputs[0].dtype);
  }
};

/// DepthToSpace and SpaceToDepth: a place of one side's plane or channels says by itself which place of the
/// other side's channels and planes it adds.
class DepthSpaceNode final : public MoveNode {
 public:
  using MoveNode::MoveNode;

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Shape &x = request.inputs[0].shape, &y = request.outputs[0].shape;
    if (!has_tables(y)) return nullptr;
    const Layout layout = request.layouts.inputs[0];
    const Shape strides = strides_in(x, layout);
    const std::int64_t block = node.int_or("blocksize", 1);
    const bool to_space = node.is("DepthToSpace"), crd = node.string_or("mode", "DCR") == "CRD";
    const std::int64_t channels = to_space ? y[1] : x[1];  // of the spacious side
    // In the deep side's channels: steps of a channel, and of a place in the block.
    const std::int64_t channel_step = crd ? block * block : 1, block_step = crd ? 1 : channels;
    AxisMap map;
    map.from.resize(4);
    for (std::int64_t i = 0; i < y[0]; ++i) map.from[0].push_back(i * strides[0]);
    if (to_space) {
      for (std::int64_t c = 0; c < y[1]; ++c) map.from[1].push_back(c * channel_step * strides[1]);
      for (std::int64_t h = 0; h < y[2]; ++h)
        map.from[2].push_back(h / block * strides[2] + h % block * block * block_step * strides[1]);
      for (std::int64_t w = 0; w < y[3]; ++w)
        map.from[3].push_back(w / block * strides[3] + w % block * block_step * strides[1]);
    } else {
      for (std::int64_t depth = 0; depth < y[1]; ++depth) {
        const std::int64_t c = crd ? depth / (block * block) : depth % channels,
                           place = crd ? depth % (block * block) : depth / channels;
        map.from[1].push_back(c * strides[1] + place / block * strides[2] + place % block * strides[3]);
      }
      for (std::int64_t h = 0; h < y[2]; ++h) map.from[2].push_back(h * block * strides[2]);
      for (std::int64_t w = 0; w < y[3]; ++w) map.from[3].push_back(w * block * strides[3]);
    }
    return make_axis_map(request.executor, stored_map(std::move(map), layout), request.inputs[0].dtype);
  }
};

}  // namespace

std::unique_ptr<Kernel> bind_nearest(const Node& node, const BindRequest& request) {
  const Shape &x = request.inputs[0].shape, &y = request.outputs[0].shape;
  if (!has_tables(y)) return nullptr;
  const Layout layout = request.layouts.inputs[0];
  const Shape strides = strides_in(x, layout);
  const ResizeMode mode = resize_mode(node);
  AxisMap map;
  const auto axes = resize_axes(node, request.inputs);
  for (std::size_t d = 0; d < x.size(); ++d) {
    const ResizeTaps taps = resize_taps(mode, axes[d]);
    std::vector<std::int64_t> from;
    for (const ResizeTap& tap : taps.taps) from.push_back(tap.index * strides[d]);
    map.from.push_back(std::move(from));
  }
  return make_axis_map(request.executor, stored_map(std::move(map), layout), request.inputs[0].dtype);
}

std::unique_ptr<Kernel> bind_permutation(const BindRequest& request, const std::vector<std::int64_t>& order) {
  const Shape& y = request.outputs[0].shape;
  if (!has_tables(y)) return nullptr;
  const Shape strides = strides_of(request.inputs[0].shape);
  AxisMap map;
  for (std::size_t d = 0; d < y.size(); ++d) {
    std::vector<std::int64_t> from;
    for (std::int64_t i = 0; i < y[d]; ++i) from.push_back(i * strides[static_cast<std::size_t>(order[d])]);
    map.from.push_back(std::move(from));
  }
  return make_axis_map(request.executor, std::move(map), request.inputs[0].dtype);
}

std::unique_ptr<PreparedNode> prepare_pad(const PrepareRequest& request) {
  return std::make_unique<PadNode>(request);
}
std::unique_ptr<PreparedNode> prepare_tile(const PrepareRequest& request) {
  return std::make_unique<TileNode>(request);
}
std::unique_ptr<PreparedNode> prepare_depth_space(const PrepareRequest& request) {
  return std::make_unique<DepthSpaceNode>(request);
}

}  // namespace edgeclip::engine
