#include "base/float16.h"
#include "engine/cpu/cpu_node.h"

namespace edgeclip::engine {

namespace {

/// One element after the other, from one type to the other.
template <class From, class To>
class CastKernel final : public Kernel {
 public:
  explicit CastKernel(kernels::Executor& executor) : executor_(executor) {}
  void run(const Inputs& inputs, const Outputs& outputs) override {
    const From* x = inputs[0].as<From>();
    To* y = outputs[0].as<To>();
    const std::int64_t n = outputs[0].elements();
    parallel_elements(executor_, n, [x, y](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) y[i] = static_cast<To>(x[i]);
    });
  }
  std::string implementation() const override { return "loop:cast"; }

 private:
  kernels::Executor& executor_;
};

template <class From>
std::unique_ptr<Kernel> cast_from(kernels::Executor& executor, DType to) {
  if (to == DType::f32) return std::make_unique<CastKernel<From, float>>(executor);
  if constexpr (std::is_same_v<From, float>) {
    if (to == DType::f16) return std::make_unique<CastKernel<float, Half>>(executor);
    if (to == DType::bf16) return std::make_unique<CastKernel<float, BFloat16>>(executor);
  }
  if constexpr (std::is_arithmetic_v<From>) {
    if (to == DType::boolean) return std::make_unique<CastKernel<From, bool>>(executor);
  }
  if constexpr (std::is_integral_v<From>) {
    if (to == DType::i32) return std::make_unique<CastKernel<From, std::int32_t>>(executor);
    if (to == DType::i64) return std::make_unique<CastKernel<From, std::int64_t>>(executor);
  }
  return nullptr;
}

/// To float32 from what graphs hold beside it, float32 to 16 bits, between the integers of indices, and to bool.
class CastNode final : public CpuNode {
 public:
  explicit CastNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

  Layouts layouts(const Inputs& inputs, const Outputs& outputs,
                  const std::vector<Layout>& given) const override {
    // Reorders are there for elements of 1 and 4 bytes.
    const std::size_t size = dtype_size(outputs[0].dtype);
    const bool follows = size == dtype_size(inputs[0].dtype) || size == 1;
    return as_first_input(inputs, outputs, follows ? given : std::vector<Layout>{Layout::plain});
  }

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    const DType to = request.outputs[0].dtype;
    switch (request.inputs[0].dtype) {
      case DType::f32:
        return cast_from<float>(request.executor, to);
      case DType::f16:
        return cast_from<Half>(request.executor, to);
      case DType::bf16:
        return cast_from<BFloat16>(request.executor, to);
      case DType::i32:
        return cast_from<std::int32_t>(request.executor, to);
      case DType::i64:
        return cast_from<std::int64_t>(request.executor, to);
      case DType::boolean:
        return cast_from<bool>(request.executor, to);
      default:
        return nullptr;
    }
  }
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_cast(const PrepareRequest& request) {
  return std::make_unique<CastNode>(request);
}

}  // namespace edgeclip::engine
