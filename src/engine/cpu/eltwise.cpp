#include <limits>
#include <optional>

#include "engine/cpu/cpu_node.h"
#include "engine/cpu/parts.h"

namespace edgeclip::engine {

namespace {

using dnnl::algorithm;

struct Function {
  algorithm kind = algorithm::undef;
  float alpha = 0, beta = 0;
};

/// A bound of Clip: an attribute before opset 11, an input since; nothing if it is not known yet.
std::optional<float> clip_bound(const PrepareRequest& request, const char* attribute, std::size_t input,
                                float otherwise) {
  const Node& node = request.node;
  if (node.opset < 11) return node.float_or(attribute, otherwise);
  if (!node.has_input(input)) return otherwise;
  const TensorView& bound = request.constants[input];
  if (bound.data == nullptr || bound.dtype != DType::f32 || bound.elements() != 1) return {};
  return *bound.as<float>();
}

std::optional<Function> function_of(const PrepareRequest& request) {
  const Node& node = request.node;
  const auto is = [&](const char* op) { return node.is(op); };
  if (is("Relu")) return Function{algorithm::eltwise_relu};
  if (is("LeakyRelu")) return Function{algorithm::eltwise_relu, node.float_or("alpha", 0.01f)};
  if (is("Elu")) return Function{algorithm::eltwise_elu, node.float_or("alpha", 1)};
  if (is("Sigmoid")) return Function{algorithm::eltwise_logistic};
  if (is("Swish")) return Function{algorithm::eltwise_swish, node.float_or("alpha", 1)};
  if (is("HardSwish")) return Function{algorithm::eltwise_hardswish};
  if (is("Tanh")) return Function{algorithm::eltwise_tanh};
  if (is("Exp")) return Function{algorithm::eltwise_exp};
  if (is("Log")) return Function{algorithm::eltwise_log};
  if (is("Sqrt")) return Function{algorithm::eltwise_sqrt};
  if (is("Abs")) return Function{algorithm::eltwise_abs};
  if (is("Neg")) return Function{algorithm::eltwise_linear, -1};
  if (is("Gelu"))
    return Function{node.string_or("approximate", "none") == "tanh" ? algorithm::eltwise_gelu_tanh
                                                                    : algorithm::eltwise_gelu_erf};
  if (node.is("Gelu", "edgeclip")) return Function{algorithm::eltwise_gelu_erf};
  if (node.is("QuickGelu", "edgeclip")) return Function{algorithm::eltwise_swish, 1.702f};
  if (is("Clip")) {
    constexpr float kLargest = std::numeric_limits<float>::max();
    const auto low = clip_bound(request, "min", 1, -kLargest), high = clip_bound(request, "max", 2, kLargest);
    if (low && high && *low <= *high) return Function{algorithm::eltwise_clip, *low, *high};
  }
  return {};
}

class EltwiseNode final : public CpuNode {
 public:
  EltwiseNode(const PrepareRequest& request, const Function& function)
      : CpuNode(request.node, request.state), function_(function) {}

  Layouts layouts(const Inputs& inputs, const Outputs& outputs,
                  const std::vector<Layout>& given) const override {
    return as_first_input(inputs, outputs, given);
  }
  bool in_place(std::size_t i, const Inputs&, const Outputs&) const override { return i == 0; }

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const DType dtype = request.inputs[0].dtype;
    if (dtype != DType::f32 && !(dtype == DType::i8 && node.is("Relu")))
      return bind_in_parts(node, request, elementwise_parts(request.inputs, request.outputs));
    constexpr std::int64_t kUnit = 64;
    const std::int64_t n = request.inputs[0].elements();
    DividedCall call(request);
    add_ranges<dnnl::eltwise_forward>(
        call, divided(n, n, request.executor.threads(), kUnit),
        [&](std::int64_t length) {
          const dnnl::memory::desc data = dense_desc({length}, onednn_type(dtype));
          return dnnl::eltwise_forward::primitive_desc(
              {dnnl::prop_kind::forward_inference, function_.kind, data, function_.alpha, function_.beta},
              onednn_attributes(), onednn_engine());
        },
        [&](const Range& range, const auto& pd) {
          call.bind(DNNL_ARG_SRC, pd.src_desc(), range.begin);
          call.bind(DNNL_ARG_DST, pd.dst_desc(), range.begin);
        });
    return std::make_unique<UnaryOneDnnKernel>(std::move(call));
  }

  const Function function_;
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_eltwise(const PrepareRequest& request) {
  const auto function = function_of(request);
  if (!function) return prepare_elementwise(request);  // Clip by bounds that are computed
  return std::make_unique<EltwiseNode>(request, *function);
}

}  // namespace edgeclip::engine
