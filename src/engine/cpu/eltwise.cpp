#include "engine/cpu/families.h"
#include "engine/cpu/unary.h"

namespace edgeclip::engine {

namespace {

struct Function {
  const char* name;
  const char* domain;
  dnnl::algorithm algorithm;
  float alpha;
};

constexpr Function kFunctions[] = {
    {"Relu", "", dnnl::algorithm::eltwise_relu, 0},
    {"Sigmoid", "", dnnl::algorithm::eltwise_logistic, 0},
    {"Tanh", "", dnnl::algorithm::eltwise_tanh, 0},
    {"Exp", "", dnnl::algorithm::eltwise_exp, 0},
    {"Abs", "", dnnl::algorithm::eltwise_abs, 0},
    {"Gelu", "edgeclip", dnnl::algorithm::eltwise_gelu_erf, 0},
    {"QuickGelu", "edgeclip", dnnl::algorithm::eltwise_swish, 1.702f},
};

}  // namespace

std::unique_ptr<Kernel> make_onednn_eltwise(const KernelRequest& request) {
  for (const Function& function : kFunctions) {
    if (!request.node.is(function.name, function.domain)) continue;
    if (request.inputs[0].dtype != DType::f32) return nullptr;
    const dnnl::memory::desc data = dense_desc({request.inputs[0].elements()}, dnnl::memory::data_type::f32);
    const dnnl::eltwise_forward::desc desc(dnnl::prop_kind::forward_inference, function.algorithm, data,
                                           function.alpha, 0);
    const dnnl::eltwise_forward::primitive_desc pd(desc, onednn_attributes(), onednn_engine());
    return std::make_unique<UnaryOneDnnKernel>(OneDnnCall(dnnl::eltwise_forward(pd), pd, request), data,
                                               data);
  }
  return nullptr;
}

}  // namespace edgeclip::engine
