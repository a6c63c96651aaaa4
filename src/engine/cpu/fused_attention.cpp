#include "engine/ops/fused_attention.h"

#include "engine/cpu/cpu_node.h"

namespace edgeclip::engine {

namespace {

/// kernels::attend over the node's tensors.
class FusedAttentionKernel final : public Kernel {
 public:
  FusedAttentionKernel(const kernels::Attention& problem, const BindRequest& request)
      : problem_(problem), scratch_(request.scratch), executor_(executor_for(problem, request.executor)) {
    scratch_.reserve(kernels::attention_scratch_bytes(problem_, executor_.threads()));
  }

  void run(const Inputs& inputs, const Outputs& outputs) override {
    set_attention_data(problem_, inputs, outputs);
    kernels::attend(problem_, executor_, scratch_.data());
  }

  std::string implementation() const override { return "attention:" + kernels::attention_form(); }

 private:
  /// Below this many multiplications other threads are not worth waking.
  static constexpr std::int64_t kParallelProducts = 1 << 17;

  static kernels::Executor& executor_for(const kernels::Attention& p, kernels::Executor& executor) {
    const std::int64_t products = 2 * p.batch * p.heads * p.queries * p.keys * p.size;
    return products < kParallelProducts ? kernels::serial_executor() : executor;
  }

  kernels::Attention problem_;
  Scratch& scratch_;
  kernels::Executor& executor_;
};

class FusedAttentionNode final : public CpuNode {
 public:
  explicit FusedAttentionNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    if (request.inputs[0].dtype != DType::f32) return nullptr;
    const kernels::Attention problem = attention_problem(node, request.inputs);
    if (!kernels::attention_takes(problem.size)) return nullptr;
    return std::make_unique<FusedAttentionKernel>(problem, request);
  }
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_fused_attention(const PrepareRequest& request) {
  return std::make_unique<FusedAttentionNode>(request);
}

}  // namespace edgeclip::engine
