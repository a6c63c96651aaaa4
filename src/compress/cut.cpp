#include "compress/cut.h"

#include "base/error.h"
#include "model/weight.h"

namespace edgeclip {

void keep_outputs(Linear& layer, const torch::Tensor& index) {
  EDGECLIP_CHECK(!layer->lora());
  set_weight(layer->weight, layer->weight.detach().index_select(0, index));
  if (layer->bias.defined()) set_weight(layer->bias, layer->bias.detach().index_select(0, index));
}

void keep_inputs(Linear& layer, const torch::Tensor& index) {
  EDGECLIP_CHECK(!layer->lora());
  set_weight(layer->weight, layer->weight.detach().index_select(1, index));
}

}  // namespace edgeclip
