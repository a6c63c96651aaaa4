#pragma once

#include "base/json.h"
#include "model/dual_encoder.h"

namespace edgeclip {

struct SparsityOptions {
  double part = 0;       ///< of the weights that become 0
  double threshold = 0;  ///< weights of a smaller absolute value become 0
  bool global = true;    ///< `part` of all weights together, or of each layer
};

/// Magnitude pruning (Han et al. 2015, arXiv:1506.02626): the smallest of the layer_weights() become 0; biases,
/// norms and tables of embeddings stay.  Of equal values the later ones of the later layers go first.  Shapes stay.  Throws InvalidInput naming a layer with weights that are not finite.
void sparsify(DualEncoder& model, const SparsityOptions& options);

/// {"zeros", "weights", "part", "layers": [{"name", "zeros", "weights", "part"}]}
Json sparsity_report(const DualEncoder& model);

}  // namespace edgeclip
