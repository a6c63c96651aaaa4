#include "engine/cpu/parts.h"

#include <algorithm>
#include <utility>

#include "engine/cpu/cpu_node.h"
#include "engine/ops/support.h"

namespace edgeclip::engine {

namespace {

class PartsKernel final : public Kernel {
 public:
  /// What one call of the reference kernel sees; offsets in bytes.
  struct Part {
    Inputs inputs;
    Outputs outputs;
    std::vector<std::size_t> input_offsets, output_offsets;
  };

  PartsKernel(kernels::Executor& executor, std::unique_ptr<Kernel> kernel, std::vector<Part> parts)
      : executor_(executor), kernel_(std::move(kernel)), parts_(std::move(parts)) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    executor_.run(static_cast<std::int64_t>(parts_.size()), [&](std::int64_t p) {
      Part& part = parts_[static_cast<std::size_t>(p)];
      for (std::size_t i = 0; i < inputs.size(); ++i)
        part.inputs[i].data = inputs[i].data == nullptr ? nullptr : inputs[i].data + part.input_offsets[i];
      for (std::size_t i = 0; i < outputs.size(); ++i)
        part.outputs[i].data =
            outputs[i].data == nullptr ? nullptr : outputs[i].data + part.output_offsets[i];
      kernel_->run(part.inputs, part.outputs);
    });
  }

  std::string implementation() const override { return "loop:parts"; }

 private:
  kernels::Executor& executor_;
  const std::unique_ptr<Kernel> kernel_;
  std::vector<Part> parts_;
};

/// Shape and offset of one operand in a part: place[d] to place[d] + length[d] along leading dimension d.
template <class View>
std::size_t cut(View& view, const std::vector<int>& along, const Shape& place, const Shape& length) {
  const Shape strides = strides_of(view.shape);
  std::int64_t offset = 0;
  for (std::size_t d = 0; d < length.size(); ++d) {
    if (along[d] == Parts::kWhole) continue;
    const auto own = static_cast<std::size_t>(along[d]);
    if (view.shape[own] == 1) continue;
    offset += place[d] * strides[own];
    view.shape[own] = length[d];
  }
  return static_cast<std::size_t>(offset) * dtype_size(view.dtype);
}

}  // namespace

Parts elementwise_parts(const Inputs& inputs, const Outputs& outputs) {
  const std::size_t rank = outputs[0].shape.size();
  const auto aligned = [&](std::size_t own) {
    std::vector<int> along(rank, Parts::kWhole);
    for (std::size_t d = rank - own; d < rank; ++d) along[d] = static_cast<int>(d - (rank - own));
    return along;
  };
  Parts parts;
  parts.leading = rank;
  for (const TensorView& input : inputs) parts.inputs.push_back(aligned(input.shape.size()));
  for (const OutputView& output : outputs) parts.outputs.push_back(aligned(output.shape.size()));
  return parts;
}

Parts leading_parts(const Inputs& inputs, const Outputs& outputs, std::size_t leading,
                    const std::vector<std::size_t>& inputs_along) {
  std::vector<int> same(leading);
  for (std::size_t d = 0; d < leading; ++d) same[d] = static_cast<int>(d);
  Parts parts;
  parts.leading = leading;
  parts.inputs.assign(inputs.size(), std::vector<int>(leading, Parts::kWhole));
  for (const std::size_t i : inputs_along) parts.inputs[i] = same;
  parts.outputs.assign(outputs.size(), same);
  return parts;
}

std::unique_ptr<Kernel> bind_in_parts(const Node& node, const BindRequest& request, const Parts& parts) {
  const Shape& whole = request.outputs[0].shape;
  std::int64_t elements = request.outputs[0].elements();
  for (const TensorView& input : request.inputs) elements = std::max(elements, input.elements());
  // A few parts for each thread, none of them too small to be worth a thread.
  const std::int64_t wanted =
      std::clamp<std::int64_t>(elements / (kParallelElements / 4), 1, 4 * request.executor.threads());
  // Single places of the first dimensions, stretches of the last one that is needed: what lies in one piece.
  Shape length;
  std::int64_t count = 1;
  for (std::size_t d = 0; d < parts.leading && count < wanted && (d == 0 || length.back() == 1); ++d) {
    const std::int64_t here = std::min(whole[d], (wanted + count - 1) / count);
    length.push_back((whole[d] + here - 1) / here);
    count *= (whole[d] + length[d] - 1) / length[d];
  }

  std::vector<PartsKernel::Part> all;
  Shape place(length.size(), 0);
  for (std::int64_t p = 0; p < count; ++p) {
    PartsKernel::Part part{request.inputs, request.outputs, {}, {}};
    Shape here = length;
    for (std::size_t d = 0; d < length.size(); ++d) here[d] = std::min(length[d], whole[d] - place[d]);
    for (std::size_t i = 0; i < part.inputs.size(); ++i)
      part.input_offsets.push_back(node.has_input(i) ? cut(part.inputs[i], parts.inputs[i], place, here) : 0);
    for (std::size_t i = 0; i < part.outputs.size(); ++i)
      part.output_offsets.push_back(
          node.outputs[i] != kNoValue ? cut(part.outputs[i], parts.outputs[i], place, here) : 0);
    all.push_back(std::move(part));
    for (std::size_t d = length.size(); d-- > 0;) {
      place[d] += length[d];
      if (place[d] < whole[d]) break;
      place[d] = 0;
    }
  }
  return std::make_unique<PartsKernel>(request.executor, make_reference_kernel(node), std::move(all));
}

}  // namespace edgeclip::engine
