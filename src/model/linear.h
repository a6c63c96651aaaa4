#pragma once

#include <torch/torch.h>

namespace edgeclip {

/// Low-rank adaptation of one linear layer (Hu et al. 2021, arXiv:2106.09685; files as PEFT writes them).
struct LoraOptions {
  int rank = 16;         ///< r of A (r, in) and B (out, r)
  double alpha = 16;     ///< the update is scaled by alpha / rank
  double dropout = 0.0;  ///< of the adapter's input, in training
  std::vector<std::string> target_modules = {"q_proj", "k_proj", "v_proj", "out_proj"};  ///< name suffixes

  template <class Visitor>
  void fields(Visitor& v) {
    v("rank", rank, "r of A (r, in) and B (out, r)");
    v("alpha", alpha, "the update is scaled by alpha / rank");
    v("dropout", dropout, "dropout of the adapter's input, in training");
    v("target_modules", target_modules, "suffixes of the linear layers that get an adapter");
  }
};

/// y = x W^T + b  [+ scale * dropout(x) A^T B^T].  x: (..., in) -> (..., out).
/// Parameters: weight (out, in), bias (out) or none, lora_A (r, in), lora_B (out, r) once an adapter is
/// attached.
class LinearImpl : public torch::nn::Module {
 public:
  LinearImpl(std::int64_t in, std::int64_t out, bool with_bias = true);
  torch::Tensor forward(const torch::Tensor& x);

  /// A Kaiming-uniform, B zero: the layer's output does not change.
  void attach_lora(const LoraOptions& options);
  bool has_lora() const { return lora_A.defined(); }
  /// scale * B A, (out, in).
  torch::Tensor lora_delta() const;
  /// Folds the adapter into weight and drops it.
  void merge_lora();
  /// Keeps the given output rows (pruning of neurons): weight and bias shrink.
  void keep_outputs(const torch::Tensor& index);
  /// Keeps the given input columns.
  void keep_inputs(const torch::Tensor& index);

  torch::Tensor weight, bias, lora_A, lora_B;
  double lora_scale = 0;

 private:
  void replace_parameter(const std::string& name, torch::Tensor& member, torch::Tensor value);

  double lora_dropout_ = 0;
};
TORCH_MODULE(Linear);

}  // namespace edgeclip
