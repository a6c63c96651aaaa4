#include <algorithm>
#include <utility>

#include "engine/cpu/cpu_node.h"
#include "engine/cpu/parts.h"
#include "engine/ops/support.h"

namespace edgeclip::engine {

namespace {

using Dims = dnnl::memory::dims;
using dnnl::algorithm;

class BinaryKernel final : public Kernel {
 public:
  /// left: which input has the output's shape.
  BinaryKernel(DividedCall call, std::size_t left) : call_(std::move(call)), left_(left) {}
  enum Slot : std::size_t { kLeft, kRight, kDestination };

  void run(const Inputs& inputs, const Outputs& outputs) override {
    call_.set(kLeft, inputs[left_].data);
    call_.set(kRight, inputs[1 - left_].data);
    call_.set(kDestination, outputs[0].data);
    call_.run();
  }

  std::string implementation() const override { return call_.implementation(); }

 private:
  DividedCall call_;
  const std::size_t left_;
};

/// Joins neighbouring dimensions that are both broadcast or both not: few dimensions reach the fast
/// implementations.
void collapse(const Shape& full, const Shape& broadcast, Dims* full_dims, Dims* broadcast_dims) {
  int last = -1;  // 0: the last dimension is not broadcast, 1: it is
  for (std::size_t i = 0; i < full.size(); ++i) {
    if (full[i] == 1) continue;
    const int kind = broadcast[i] == 1 ? 1 : 0;
    if (kind == last) {
      full_dims->back() *= full[i];
      broadcast_dims->back() *= broadcast[i];
    } else {
      full_dims->push_back(full[i]);
      broadcast_dims->push_back(broadcast[i]);
    }
    last = kind;
  }
  if (full_dims->empty()) *full_dims = *broadcast_dims = {1};
}

/// With ones in front.
Shape padded(const Shape& shape, std::size_t rank) {
  Shape result(rank - shape.size(), 1);
  result.insert(result.end(), shape.begin(), shape.end());
  return result;
}

struct BinaryFunction {
  const char* name;
  algorithm kind;
  bool commutes;
};

constexpr BinaryFunction kBinaryFunctions[] = {{"Add", algorithm::binary_add, true}, {"Mul", algorithm::binary_mul, true},
                                   {"Max", algorithm::binary_max, true}, {"Min", algorithm::binary_min, true},
                                   {"Sub", algorithm::binary_sub, false}, {"Div", algorithm::binary_div, false}};

class BinaryNode final : public CpuNode {
 public:
  BinaryNode(const PrepareRequest& request, const BinaryFunction& function)
      : CpuNode(request.node, request.state), function_(function) {}

  Layouts layouts(const Inputs& inputs, const Outputs& outputs,
                  const std::vector<Layout>& given) const override {
    const Shape& y = outputs[0].shape;
    Layouts plain = PreparedNode::layouts(inputs, outputs, given), last = plain;
    bool wanted = false;
    for (std::size_t i = 0; i < 2; ++i) {
      const Shape& x = inputs[i].shape;
      if (x == y) {
        wanted = wanted || given[i] == Layout::channels_last;
        last.inputs[i] = Layout::channels_last;
      } else if (y.size() < 3 ||
                 normalized(Layout::channels_last, padded(x, y.size())) != Layout::plain) {
        return plain;  // its bytes lie otherwise beside channels that come last
      }
    }
    last.outputs[0] = Layout::channels_last;
    return wanted ? last : plain;
  }

  bool in_place(std::size_t i, const Inputs& inputs, const Outputs& outputs) const override {
    // Max and Min of any number write the first before they read the second.
    if (i > 0 && (node.is("Max") || node.is("Min"))) return false;
    return inputs[i].shape == outputs[0].shape && inputs[i].dtype == outputs[0].dtype;
  }

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    if (request.inputs[0].dtype != DType::f32 || request.inputs[1].dtype != DType::f32)
      return in_parts(request);
    const Shape& y = request.outputs[0].shape;
    const std::int64_t elements = request.outputs[0].elements();
    std::size_t left = 0;
    if (request.inputs[0].elements() != elements) left = 1;
    if (request.inputs[left].elements() != elements || (left == 1 && !function_.commutes))
      return in_parts(request);
    const Layout layout = request.layouts.outputs[0];
    const Shape& other = request.inputs[1 - left].shape;
    if (other.size() > y.size()) return in_parts(request);
    Dims full, broadcast;
    collapse(stored_shape(y, layout), stored_shape(padded(other, y.size()), layout), &full, &broadcast);
    if (full.size() > 5) return in_parts(request);
    // Along the first dimension, or the second where the first is short and leaves no choice.
    const int threads = request.executor.threads();
    const std::size_t along = full.size() > 1 && full[0] < threads ? 1 : 0;
    const std::int64_t step = dense_strides(full)[along],
                       other_step = broadcast[along] == 1 ? 0 : dense_strides(broadcast)[along];
    constexpr std::int64_t kUnit = 64;  // of single elements
    DividedCall call(request);
    add_ranges<dnnl::binary>(
        call, divided(full[along], 2 * elements, threads, step == 1 ? kUnit : 1),
        [&](std::int64_t length) {
          Dims part = full, other_part = broadcast;
          part[along] = length;
          if (other_step != 0) other_part[along] = length;
          const dnnl::memory::desc all(part, kF32, dense_strides(full)),
              other_desc(other_part, kF32, dense_strides(broadcast));
          return dnnl::binary::primitive_desc({function_.kind, all, other_desc, all}, onednn_attributes(),
                                              onednn_engine());
        },
        [&](const Range& range, const auto& pd) {
          call.bind(DNNL_ARG_SRC_0, pd.src0_desc(), range.begin * step);
          call.bind(DNNL_ARG_SRC_1, pd.src1_desc(), range.begin * other_step);
          call.bind(DNNL_ARG_DST, pd.dst_desc(), range.begin * step);
        });
    return std::make_unique<BinaryKernel>(std::move(call), left);
  }

  /// Other types, both sides spread: where layouts are plain, so that shapes say how the bytes lie.
  std::unique_ptr<Kernel> in_parts(const BindRequest& request) const {
    const auto& in = request.layouts.inputs;
    if (std::any_of(in.begin(), in.end(), [](Layout l) { return l != Layout::plain; }) ||
        request.layouts.outputs[0] != Layout::plain)
      return nullptr;
    return bind_in_parts(node, request, elementwise_parts(request.inputs, request.outputs));
  }

  const BinaryFunction& function_;
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_binary(const PrepareRequest& request) {
  if (request.node.inputs.size() != 2) return prepare_elementwise(request);  // Max and Min take any number
  for (const BinaryFunction& function : kBinaryFunctions)
    if (request.node.is(function.name)) return std::make_unique<BinaryNode>(request, function);
  return nullptr;
}

}  // namespace edgeclip::engine
