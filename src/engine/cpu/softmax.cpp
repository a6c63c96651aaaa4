#include "engine/cpu/families.h"
#include "engine/cpu/unary.h"

namespace edgeclip::engine {

std::unique_ptr<Kernel> make_onednn_softmax(const KernelRequest& request) {
  const Node& node = request.node;
  if (!node.is("Softmax") || request.inputs[0].dtype != DType::f32) return nullptr;
  const Shape& x = request.inputs[0].shape;
  // Before opset 13 the default axis is 1 and all dimensions from it on are one; for the last axis both rules
  // agree.
  const std::int64_t rank = static_cast<std::int64_t>(x.size()),
                     axis = node.int_or("axis", node.opset >= 13 ? -1 : 1);
  if (rank < 1 || (axis != -1 && axis != rank - 1)) return nullptr;
  const dnnl::memory::desc data =
      dense_desc({num_elements(x) / x.back(), x.back()}, dnnl::memory::data_type::f32);
  const dnnl::softmax_v2_forward::desc desc(dnnl::prop_kind::forward_inference,
                                            dnnl::algorithm::softmax_accurate, data, data, 1);
  const dnnl::softmax_v2_forward::primitive_desc pd(desc, onednn_attributes(), onednn_engine());
  return std::make_unique<UnaryOneDnnKernel>(OneDnnCall(dnnl::softmax_v2_forward(pd), pd, request), data,
                                             data);
}

}  // namespace edgeclip::engine
