#pragma once

#include <torch/torch.h>

#include <memory>
#include <optional>

#include "model/compute_type.h"
#include "model/lora/lora_pair.h"
#include "model/quantization/quantizable.h"

namespace edgeclip {

/// y = x W^T + b, and what an attached adapter adds.  x: (..., in) -> (..., out).
/// Parameters: weight (out, in), bias (out) or none; lora_A (r, in), lora_B (out, r) and for DoRA
/// lora_magnitude_vector (out) while there is a pair. A frozen weight may be stored in bf16.  It is written as
/// weight.h says.
class LinearImpl : public torch::nn::Module {
 public:
  LinearImpl(std::int64_t in, std::int64_t out, bool with_bias = true);
  torch::Tensor forward(const torch::Tensor& x, ComputeType compute);

  /// The pair's tensors become the layer's parameters, shared with the pair; each trains if it requires a
  /// gradient.
  void attach_lora(const LoraPair& pair);
  /// The pair that was attached.
  LoraPair detach_lora();
  /// Null without one.
  const LoraPair* lora() const { return lora_ ? &*lora_ : nullptr; }

  torch::Tensor weight, bias;
  /// Of a layer that learns to be int8 (FakeQuantization): the range of x, or null, also where somebody else rounds x for several
  /// layers; bits above 0: what is multiplied are the weights, with the adapter in them, as int8 holds them.
  std::shared_ptr<ValueRange> input_range;
  int weight_bits = 0;

 private:
  std::optional<LoraPair> lora_;
};
TORCH_MODULE(Linear);

/// What FakeQuantization sees of a layer that nobody shares a value with.  name: the layer's.
QuantizableValue quantizable_linear(Linear layer, const std::string& name);

}  // namespace edgeclip
