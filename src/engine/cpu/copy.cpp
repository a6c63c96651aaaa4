#include <cstring>
#include <numeric>
#include <utility>

#include "engine/cpu/cpu_node.h"
#include "engine/ops/slice_ranges.h"
#include "engine/ops/support.h"

/// Operators that only move elements, as copies of blocks between strided places.
namespace edgeclip::engine {

namespace {

/// More than any model has; more are left to the reference kernel.
constexpr std::size_t kMostCopiedDims = 16;

/// One block: its shape, and how it lies on either side (in elements).
struct Block {
  Shape shape, from, to;
  std::int64_t from_offset = 0, to_offset = 0;
};

/// Without dimensions of 1, neighbours that lie one behind the other on both sides joined; at least one
/// dimension.
Block collapsed(const Block& block) {
  Block result;
  result.from_offset = block.from_offset;
  result.to_offset = block.to_offset;
  for (std::size_t d = 0; d < block.shape.size(); ++d) {
    if (block.shape[d] == 1) continue;
    if (!result.shape.empty() && result.from.back() == block.from[d] * block.shape[d] &&
        result.to.back() == block.to[d] * block.shape[d]) {
      result.shape.back() *= block.shape[d];
      result.from.back() = block.from[d];
      result.to.back() = block.to[d];
    } else {
      result.shape.push_back(block.shape[d]);
      result.from.push_back(block.from[d]);
      result.to.push_back(block.to[d]);
    }
  }
  if (result.shape.empty()) {
    result.shape = {1};
    result.from = result.to = {1};
  }
  return result;
}

/// Copies a block, rows (its last dimension) divided over the threads.
template <class T>
void copy_block(kernels::Executor& executor, const Block& block, const std::byte* source,
                std::byte* destination) {
  const T* const from = reinterpret_cast<const T*>(source) + block.from_offset;
  T* const to = reinterpret_cast<T*>(destination) + block.to_offset;
  const std::size_t outer = block.shape.size() - 1;
  const std::int64_t row = block.shape[outer], rows = product(block.shape, 0, outer);
  const std::int64_t from_step = block.from[outer], to_step = block.to[outer];
  // Stretches of rows: to divide a row's number into its place costs more than a short row.
  const auto walk = [&](std::int64_t r, std::int64_t end) {
    std::int64_t rest = r;
    const T* x = from;
    T* y = to;
    std::int64_t place[kMostCopiedDims] = {};
    for (std::size_t d = outer; d-- > 0; rest /= block.shape[d]) {
      place[d] = rest % block.shape[d];
      x += place[d] * block.from[d];
      y += place[d] * block.to[d];
    }
    for (; r < end; ++r) {
      if (from_step == 1 && to_step == 1)
        std::memcpy(y, x, static_cast<std::size_t>(row) * sizeof(T));
      else
        for (std::int64_t i = 0; i < row; ++i) y[i * to_step] = x[i * from_step];
      for (std::size_t d = outer; d-- > 0;) {
        x += block.from[d];
        y += block.to[d];
        if (++place[d] < block.shape[d]) break;
        x -= block.from[d] * block.shape[d];
        y -= block.to[d] * block.shape[d];
        place[d] = 0;
      }
    }
  };
  if (rows * row > kParallelElements)
    kernels::parallel_chunks(executor, rows, kChunkElements / row, walk);
  else
    walk(0, rows);
}

/// Copies of blocks from inputs to outputs.
class CopyKernel final : public Kernel {
 public:
  struct Copy {
    std::size_t input, output;
    Block block;
  };
  /// nullptr if a block has too many dimensions.
  static std::unique_ptr<Kernel> make(kernels::Executor& executor, std::vector<Copy> copies, DType dtype) {
    for (Copy& copy : copies) {
      copy.block = collapsed(copy.block);
      if (copy.block.shape.size() > kMostCopiedDims) return nullptr;
    }
    return std::make_unique<CopyKernel>(executor, std::move(copies), dtype);
  }
  CopyKernel(kernels::Executor& executor, std::vector<Copy> copies, DType dtype)
      : executor_(executor), copies_(std::move(copies)), size_(dtype_size(dtype)) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    for (const Copy& copy : copies_) {
      const std::byte* from = inputs[copy.input].data;
      std::byte* to = outputs[copy.output].data;
      if (to == nullptr) continue;  // a part of Split that nobody reads
      switch (size_) {
        case 1:
          copy_block<std::uint8_t>(executor_, copy.block, from, to);
          break;
        case 2:
          copy_block<std::uint16_t>(executor_, copy.block, from, to);
          break;
        case 4:
          copy_block<std::uint32_t>(executor_, copy.block, from, to);
          break;
        default:
          copy_block<std::uint64_t>(executor_, copy.block, from, to);
      }
    }
  }

  std::string implementation() const override { return "loop:copy"; }

 private:
  kernels::Executor& executor_;
  std::vector<Copy> copies_;
  const std::size_t size_;
};

/// An axis of (N, C, spatial...) in the order of its bytes.
std::size_t stored_axis(std::size_t axis, std::size_t rank, Layout layout) {
  if (layout == Layout::plain || axis == 0) return axis;
  return axis == 1 ? rank - 1 : axis - 1;
}

/// Concat and Split, which are the same copies either way round.
class JoinNode final : public CpuNode {
 public:
  JoinNode(const PrepareRequest& request, bool split) : CpuNode(request.node, request.state), split_(split) {}

  Layouts layouts(const Inputs& inputs, const Outputs& outputs,
                  const std::vector<Layout>& given) const override {
    std::vector<std::size_t> data(split_ ? 1 : inputs.size());  // behind it: the sizes of the parts
    std::iota(data.begin(), data.end(), std::size_t{0});
    return joined_layouts(inputs, outputs, given, data);
  }

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Shape whole = split_ ? request.inputs[0].shape : request.outputs[0].shape;
    const Layout layout = split_ ? request.layouts.inputs[0] : request.layouts.outputs[0];
    const std::size_t axis = stored_axis(normalize_axis(node, node.int_or("axis", split_ ? 0 : 1), whole.size()),
                                         whole.size(), layout);
    const Shape strides = strides_of(stored_shape(whole, layout));
    std::vector<CopyKernel::Copy> copies;
    std::int64_t offset = 0;
    for (std::size_t i = 0; i < (split_ ? request.outputs.size() : request.inputs.size()); ++i) {
      const Shape& part = split_ ? request.outputs[i].shape : request.inputs[i].shape;
      if (split_ && node.outputs[i] == kNoValue) return nullptr;  // its size is not told
      Block block;
      block.shape = stored_shape(part, layout);
      block.from = block.to = strides_of(block.shape);
      (split_ ? block.from : block.to) = strides;
      (split_ ? block.from_offset : block.to_offset) = offset * strides[axis];
      offset += block.shape[axis];
      copies.push_back({split_ ? 0 : i, split_ ? i : 0, block});
    }
    return CopyKernel::make(request.executor, std::move(copies), request.inputs[0].dtype);
  }

  const bool split_;
};

/// Slice with bounds that are known once the shapes are.
class SliceNode final : public CpuNode {
 public:
  explicit SliceNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

  Layouts layouts(const Inputs& inputs, const Outputs& outputs,
                  const std::vector<Layout>& given) const override {
    return as_first_input(inputs, outputs, given);
  }

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Shape& x = request.inputs[0].shape;
    for (std::size_t i = 1; i < request.inputs.size(); ++i)
      if (node.has_input(i) && request.inputs[i].data == nullptr) return nullptr;
    const auto values = [&](const char* name, std::size_t i) {
      return ints_attribute_or_input(node, request.inputs, name, i, {});
    };
    const auto ranges =
        slice_ranges(node, x, values("starts", 1), values("ends", 2), values("axes", 3), values("steps", 4));
    const Layout layout = request.layouts.inputs[0];
    const Shape own = strides_of(stored_shape(x, layout));
    Block block;
    block.shape = stored_shape(request.outputs[0].shape, layout);
    block.to = strides_of(block.shape);
    block.from.resize(own.size());
    for (std::size_t d = 0; d < own.size(); ++d) {
      const std::size_t at = stored_axis(d, own.size(), layout);
      block.from_offset += ranges[d].start * own[at];
      block.from[at] = ranges[d].step * own[at];
    }
    return CopyKernel::make(request.executor, {{0, 0, block}}, request.inputs[0].dtype);
  }
};

/// Expand: the shape of the output says everything.
class ExpandNode final : public CpuNode {
 public:
  explicit ExpandNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Shape& y = request.outputs[0].shape;
    const Block block{y, broadcast_strides(request.inputs[0].shape, y), strides_of(y)};
    return CopyKernel::make(request.executor, {{0, 0, block}}, request.inputs[0].dtype);
  }
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_concat(const PrepareRequest& request) {
  return std::make_unique<JoinNode>(request, false);
}
std::unique_ptr<PreparedNode> prepare_split(const PrepareRequest& request) {
  return std::make_unique<JoinNode>(request, true);
}
std::unique_ptr<PreparedNode> prepare_slice(const PrepareRequest& request) {
  return std::make_unique<SliceNode>(request);
}
std::unique_ptr<PreparedNode> prepare_expand(const PrepareRequest& request) {
  return std::make_unique<ExpandNode>(request);
}

}  // namespace edgeclip::engine
