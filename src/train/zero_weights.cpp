#include "train/zero_weights.h"

#include "model/layer_weights.h"

namespace edgeclip {

void drop_gradients_of_zeros(const DualEncoder& model) {
  const torch::NoGradGuard no_grad;
  for (const auto& [name, weight] : layer_weights(*model))
    if (weight.grad().defined()) weight.grad().masked_fill_(weight == 0, 0);
}

}  // namespace edgeclip
