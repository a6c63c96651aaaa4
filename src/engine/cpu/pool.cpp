#include "engine/cpu/window_slices.h"
#include "engine/ops/support.h"

namespace edgeclip::engine {

namespace {

using Dims = dnnl::memory::dims;
using dnnl::algorithm;

class PoolNode final : public CpuNode {
 public:
  explicit PoolNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

  Layouts layouts(const Inputs& inputs, const Outputs& outputs, const std::vector<Layout>&) const override {
    return channels_last_through(inputs, outputs);
  }

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const Shape &x = request.inputs[0].shape, &y = request.outputs[0].shape;
    const DType dtype = request.inputs[0].dtype;
    if ((dtype != DType::f32 && dtype != DType::u8 && dtype != DType::i8) || x.size() > 5) return nullptr;
    algorithm kind = algorithm::pooling_max;
    const bool counts_padding = node.int_or("count_include_pad", 0) != 0;
    if (node.op == "AveragePool")
      kind = counts_padding ? algorithm::pooling_avg_include_padding
                            : algorithm::pooling_avg_exclude_padding;
    const std::vector<WindowDim> window = window_of(node, x, node.ints_or("kernel_shape", {}));
    Dims kernel, strides, dilations;
    for (const WindowDim& d : window) {
      const std::int64_t reach = (d.kernel - 1) * d.dilation + 1,
                         behind = (d.out - 1) * d.stride + reach - d.in - d.before;
      // A window may begin in the padding, but oneDNN wants it to end inside; and places that ceil_mode adds
      // behind the padding are not counted by ONNX.
      if (d.before >= reach || behind >= reach || (counts_padding && behind > d.after)) return nullptr;
      kernel.push_back(d.kernel);
      strides.push_back(d.stride);
      dilations.push_back(d.dilation - 1);
    }
    const auto type = onednn_type(dtype);
    const std::int64_t work = num_elements(x) + num_elements(y) * product(kernel, 0, kernel.size()) / 4;
    DividedCall call(request);
    add_slices<dnnl::pooling_v2_forward>(
        call, window_slices(window, request, work),
        [&](const WindowSlice& slice) {
          return dnnl::pooling_v2_forward::primitive_desc(
              {dnnl::prop_kind::forward_inference, kind,
               layout_desc(slice.x, request.layouts.inputs[0], type),
               layout_desc(slice.y, request.layouts.outputs[0], type), strides, kernel, dilations,
               slice.before, slice.after},
              onednn_attributes(), onednn_engine());
        },
        [&](const WindowSlice& slice, const auto& pd) {
          call.bind(DNNL_ARG_SRC, pd.src_desc(), slice.x_at);
          call.bind(DNNL_ARG_DST, pd.dst_desc(), slice.y_at);
        });
    return std::make_unique<UnaryOneDnnKernel>(std::move(call));
  }
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_pool(const PrepareRequest& request) {
  if (request.node.outputs.size() > 1) return nullptr;  // where the maxima were: the reference
  return std::make_unique<PoolNode>(request);
}

}  // namespace edgeclip::engine
