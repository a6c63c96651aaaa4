#include <cmath>
#include <optional>
#include <utility>

#include "engine/cpu/centred_weights.h"
#include "engine/cpu/int8_products.h"
#include "engine/ops/quant_conv.h"
#include "engine/ops/quant_matmul.h"

/// QLinearMatMul and QLinearConv of imported models: where all but the activations is constant they are
/// edgeclip.QuantMatMul and edgeclip.QuantConv, and have their kernels.
namespace edgeclip::engine {
namespace {

/// Where a QLinear operator has its inputs; the others are in the standard's order behind them.
struct QLinearInputs {
  std::size_t x = 0, x_scale = 1, x_zero = 2, w = 3, w_scale = 4, w_zero = 5, y_scale = 6, y_zero = 7,
              bias = 8;
};
constexpr QLinearInputs kAt;

/// The constants that stand in the other node's inputs, made once per session.
struct QLinearConstants {
  Tensor weights, scale, bias;
};

/// A node of another operator that computes the same, with constants of its own.
class TranslatedNode final : public PreparedNode {
 public:
  TranslatedNode(const Node& node, Node own, QLinearConstants constants)
      : PreparedNode(node), own_(std::move(own)), constants_(std::move(constants)) {}

  /// False if that operator has no fast kernel for it.
  bool prepare(CpuState& state) {
    const Inputs inputs = translated({});
    const PrepareRequest request{own_, inputs, state};
    inner_ = own_.op == "QuantConv" ? prepare_quant_conv(request)
                                    : prepare_quant_matmul(request, QuantProducts::exact);
    return inner_ != nullptr;
  }

  Layouts layouts(const Inputs& inputs, const Outputs& outputs, const std::vector<Layout>&) const override {
    const Inputs own = translated(inputs[kAt.x]);
    const Layouts inner = inner_->layouts(own, outputs, std::vector<Layout>(own.size(), Layout::plain));
    Layouts layouts{std::vector<Layout>(inputs.size(), Layout::plain), inner.outputs};
    layouts.inputs[kAt.x] = inner.inputs[0];
    return layouts;
  }

  std::unique_ptr<Kernel> bind(const BindRequest& request) const override {
    const Inputs own = translated(request.inputs[kAt.x]);
    Layouts layouts{std::vector<Layout>(own.size(), Layout::plain), request.layouts.outputs};
    layouts.inputs[0] = request.layouts.inputs[kAt.x];
    return std::make_unique<TranslatedKernel>(
        inner_->bind({own, request.outputs, layouts, request.scratch, request.executor}), own);
  }

 private:
  class TranslatedKernel final : public Kernel {
   public:
    TranslatedKernel(std::unique_ptr<Kernel> kernel, Inputs inputs)
        : kernel_(std::move(kernel)), inputs_(std::move(inputs)) {}
    void run(const Inputs& inputs, const Outputs& outputs) override {
      inputs_[0].data = inputs[kAt.x].data;
      kernel_->run(inputs_, outputs);
    }
    std::string implementation() const override { return kernel_->implementation(); }

   private:
    std::unique_ptr<Kernel> kernel_;
    Inputs inputs_;
  };

  Inputs translated(const TensorView& x) const {
    Inputs inputs = {x, constants_.weights.view(), constants_.scale.view()};
    if (constants_.bias.defined()) inputs.push_back(constants_.bias.view());
    return inputs;
  }

  const Node own_;
  const QLinearConstants constants_;
  std::unique_ptr<PreparedNode> inner_;
};

std::unique_ptr<PreparedNode> translate(const PrepareRequest& request, const char* op, const char* scale_name,
                                        const char* zero_name, std::int64_t count, std::int64_t inner) {
  const Inputs& in = request.constants;
  const float x_scale = *in[kAt.x_scale].as<float>(), y_scale = *in[kAt.y_scale].as<float>();
  auto weights = centred_weights(in[kAt.w], in[kAt.w_zero], count, inner);
  if (!weights || !(x_scale > 0) || !(y_scale > 0) || !std::isfinite(x_scale) || !std::isfinite(y_scale))
    return nullptr;
  QLinearConstants constants;
  constants.weights = std::move(*weights);
  constants.scale = Tensor(DType::f32, {count});
  const float* scales = in[kAt.w_scale].as<float>();
  for (std::int64_t i = 0; i < count; ++i)
    constants.scale.data<float>()[i] = scales[in[kAt.w_scale].elements() == 1 ? 0 : i];
  if (request.node.has_input(kAt.bias)) {
    constants.bias = Tensor(DType::f32, {count});
    for (std::int64_t i = 0; i < count; ++i)
      constants.bias.data<float>()[i] =
          static_cast<float>(in[kAt.bias].as<std::int32_t>()[i]) * x_scale * constants.scale.data<float>()[i];
  }
  Node own = request.node;
  own.op = op;
  own.domain = "edgeclip";
  own.opset = 1;
  own.inputs = {request.node.inputs[kAt.x], request.node.inputs[kAt.w], request.node.inputs[kAt.w_scale]};
  if (constants.bias.defined()) own.inputs.push_back(request.node.inputs[kAt.bias]);
  own.attributes[scale_name] = x_scale;
  own.attributes[zero_name] = std::int64_t{byte_at(in[kAt.x_zero], 0)};
  own.attributes["out_type"] = std::string(in[kAt.y_zero].dtype == DType::u8 ? "uint8" : "int8");
  own.attributes["out_scale"] = y_scale;
  own.attributes["out_zero_point"] = std::int64_t{byte_at(in[kAt.y_zero], 0)};
  auto prepared = std::make_unique<TranslatedNode>(request.node, std::move(own), std::move(constants));
  return prepared->prepare(request.state) ? std::move(prepared) : nullptr;
}

/// All but x constant, of the types that the operators' rules want, and one value where they want one.
bool has_constants(const PrepareRequest& request) {
  const Inputs& in = request.constants;
  for (const std::size_t i : {kAt.x_scale, kAt.w_scale, kAt.y_scale})
    if (!request.is_constant(i) || in[i].dtype != DType::f32 || in[i].elements() < 1) return false;
  for (const std::size_t i : {kAt.x_zero, kAt.w, kAt.w_zero, kAt.y_zero})
    if (!request.is_constant(i) || !is_byte_constant(in[i]) || in[i].elements() < 1) return false;
  for (const std::size_t i : {kAt.x_scale, kAt.x_zero, kAt.y_scale, kAt.y_zero})
    if (in[i].elements() != 1) return false;
  return true;
}
bool one_or(const TensorView& view, std::int64_t count) {
  return view.elements() == 1 || view.elements() == count;
}

}  // namespace

std::unique_ptr<PreparedNode> prepare_qlinear_matmul(const PrepareRequest& request) {
  const Inputs& in = request.constants;
  if (!has_constants(request) || in[kAt.w].shape.size() != 2) return nullptr;
  const std::int64_t columns = in[kAt.w].shape[1];
  if (!one_or(in[kAt.w_scale], columns) || !one_or(in[kAt.w_zero], columns)) return nullptr;
  return translate(request, "QuantMatMul", "a_scale", "a_zero_point", columns, 1);
}

std::unique_ptr<PreparedNode> prepare_qlinear_conv(const PrepareRequest& request) {
  const Inputs& in = request.constants;
  if (!has_constants(request) || in[kAt.w].shape.size() < 3 || in[kAt.w].shape.size() > 5) return nullptr;
  const std::int64_t filters = in[kAt.w].shape[0];
  if (!one_or(in[kAt.w_scale], filters) || !one_or(in[kAt.w_zero], filters)) return nullptr;
  if (request.node.has_input(kAt.bias) &&
      (!request.is_constant(kAt.bias) || in[kAt.bias].dtype != DType::i32 ||
       in[kAt.bias].elements() != filters))
    return nullptr;
  return translate(request, "QuantConv", "x_scale", "x_zero_point", filters, in[kAt.w].elements() / filters);
}

}  // namespace edgeclip::engine
