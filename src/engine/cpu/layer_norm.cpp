#include "engine/cpu/families.h"

namespace edgeclip::engine {

namespace {

class LayerNormKernel : public Kernel {
 public:
  LayerNormKernel(OneDnnCall call, const dnnl::memory::desc& rows, const dnnl::memory::desc& weight,
                  bool shift)
      : call_(std::move(call)) {
    source_ = call_.bind(DNNL_ARG_SRC, rows);
    destination_ = call_.bind(DNNL_ARG_DST, rows);
    scale_ = call_.bind(DNNL_ARG_SCALE, weight);
    if (shift) shift_ = call_.bind(DNNL_ARG_SHIFT, weight);
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    call_.set(source_, inputs[0].data);
    call_.set(scale_, inputs[1].data);
    if (shift_) call_.set(*shift_, inputs[2].data);
    call_.set(destination_, outputs[0].data);
    call_.run();
  }

  std::string implementation() const override { return call_.implementation(); }

 private:
  OneDnnCall call_;
  std::size_t source_ = 0, destination_ = 0, scale_ = 0;
  std::optional<std::size_t> shift_;
};

}  // namespace

std::unique_ptr<Kernel> make_onednn_layer_norm(const KernelRequest& request) {
  const Node& node = request.node;
  if (!node.is("LayerNormalization") || node.outputs.size() != 1)
    return nullptr;  // mean and deviation: the reference
  const Shape& x = request.inputs[0].shape;
  const std::int64_t rank = static_cast<std::int64_t>(x.size()), axis = node.int_or("axis", -1);
  if (request.inputs[0].dtype != DType::f32 || rank < 1 || (axis != -1 && axis != rank - 1)) return nullptr;
  const std::int64_t width = x.back(), rows = num_elements(x) / width;
  if (request.inputs[1].elements() != width) return nullptr;
  const bool shift = node.has_input(2);
  if (shift && request.inputs[2].elements() != width) return nullptr;

  const dnnl::memory::desc data = dense_desc({rows, width}, kF32);
  const auto flags = shift ? dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift
                           : dnnl::normalization_flags::use_scale;
  const dnnl::layer_normalization_forward::desc desc(dnnl::prop_kind::forward_inference, data,
                                                     node.float_or("epsilon", 1e-5f), flags);
  const dnnl::layer_normalization_forward::primitive_desc pd(desc, onednn_attributes(), onednn_engine());
  return std::make_unique<LayerNormKernel>(OneDnnCall(dnnl::layer_normalization_forward(pd), pd, request),
                                           data, dense_desc({width}, kF32), shift);
}

}  // namespace edgeclip::engine
