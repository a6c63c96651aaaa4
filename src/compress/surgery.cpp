#include "compress/surgery.h"

#include "base/error.h"
#include "compress/cut.h"
#include "compress/importance.h"

namespace edgeclip {

void keep_neurons(Checkpoint& checkpoint, const std::vector<std::vector<std::int64_t>>& kept) {
  EDGECLIP_CHECK(!checkpoint.model->has_lora());
  const torch::NoGradGuard no_grad;
  const std::vector<MlpLayer> layers = mlp_layers(checkpoint.model);
  EDGECLIP_CHECK(kept.size() == layers.size(), "{} lists for {} layers", kept.size(), layers.size());
  std::vector<int> vision, text;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    EDGECLIP_CHECK(!kept[i].empty());
    Mlp mlp = layers[i].mlp;
    const auto n = static_cast<std::int64_t>(kept[i].size());
    if (n != mlp->fc1->weight.size(0)) {
      const torch::Tensor index = torch::tensor(kept[i], torch::kInt64).to(mlp->fc1->weight.device());
      keep_outputs(mlp->fc1, index);
      keep_inputs(mlp->fc2, index);
    }
    (layers[i].vision ? vision : text).push_back(static_cast<int>(n));
  }
  if (!vision.empty()) checkpoint.config.vision.intermediate_size = vision;
  if (!text.empty()) checkpoint.config.text.intermediate_size = text;
  checkpoint.model->config = checkpoint.config;
}

}  // namespace edgeclip
