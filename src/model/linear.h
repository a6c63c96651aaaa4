#pragma once

#include <torch/torch.h>

#include <string>

namespace edgeclip {

/// What an adapter adds to one linear layer: scale * dropout(x) A^T B^T.
struct LoraPair {
  torch::Tensor A, B;  ///< (r, in), (out, r)
  double scale = 0, dropout = 0;
};

/// y = x W^T + b  [+ scale * dropout(x) A^T B^T].  x: (..., in) -> (..., out).
/// Parameters: weight (out, in), bias (out) or none; lora_A (r, in) and lora_B (out, r) while an adapter is
/// attached.  A frozen weight may be stored in bf16: it is widened to x's type unless autocast is on.
class LinearImpl : public torch::nn::Module {
 public:
  LinearImpl(std::int64_t in, std::int64_t out, bool with_bias = true);
  torch::Tensor forward(const torch::Tensor& x);

  void attach_lora(const LoraPair& pair);
  /// The pair that was attached.
  LoraPair detach_lora();
  bool has_lora() const { return lora_A.defined(); }
  /// scale * B A, (out, in).
  torch::Tensor lora_delta() const;

  /// weight becomes W + scale * B A; what it was is kept, to the bit, for unmerge.
  void merge_lora();
  void unmerge_lora();
  bool is_merged() const { return base_.defined(); }
  /// weight without what is merged into it.
  torch::Tensor base_weight() const { return is_merged() ? base_ : weight; }
  /// Merges the adapter for good, in float32, and drops it.
  void fold_lora();

  /// Keeps the given output rows (pruning of neurons): weight and bias shrink.
  void keep_outputs(const torch::Tensor& index);
  /// Keeps the given input columns.
  void keep_inputs(const torch::Tensor& index);

  torch::Tensor weight, bias, lora_A, lora_B;
  double lora_scale = 0;

 private:
  void replace_parameter(const std::string& name, torch::Tensor& member, torch::Tensor value);

  double lora_dropout_ = 0;
  torch::Tensor base_;
};
TORCH_MODULE(Linear);

}  // namespace edgeclip
