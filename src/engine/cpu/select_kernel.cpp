#include <new>

#include "engine/cpu/families.h"
#include "engine/cpu/quant_matmul.h"

namespace edgeclip::engine {

namespace {

using Factory = std::unique_ptr<Kernel> (*)(const KernelRequest&);

// At most one fits a node, so the order does not matter.
constexpr Factory kFamilies[] = {make_onednn_fused_matmul, make_onednn_quant_matmul, make_onednn_matmul,
                                 make_onednn_conv,         make_onednn_layer_norm,   make_onednn_softmax,
                                 make_onednn_binary,       make_onednn_eltwise,      make_onednn_transpose,
                                 make_fast_quantize_linear};

/// oneDNN has no notion of "nothing to do" for every primitive; the reference loops have.
bool has_empty_tensor(const KernelRequest& request) {
  for (const auto& output : request.outputs)
    if (output.elements() == 0) return true;
  for (std::size_t i = 0; i < request.inputs.size(); ++i)
    if (request.node.inputs[i] != kNoValue && request.inputs[i].elements() == 0) return true;
  return false;
}

}  // namespace

std::unique_ptr<Kernel> select_kernel(const KernelRequest& request) {
  if (!has_empty_tensor(request)) {
    try {
      for (const Factory factory : kFamilies)
        if (auto kernel = factory(request)) return kernel;
    } catch (const dnnl::error& error) {
      if (error.status == dnnl_out_of_memory) throw std::bad_alloc();
      // A combination this oneDNN lacks on this CPU is what the reference is there for; anything else is our
      // mistake.
      EDGECLIP_CHECK(error.status == dnnl_unimplemented, "{} {}: oneDNN: {}", request.node.op,
                     request.node.name, error.what());
    }
  }
  return make_reference_kernel(request.node);
}

}  // namespace edgeclip::engine
