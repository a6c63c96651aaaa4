#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/quantization/value_range.h"

namespace edgeclip {

/// Weights that become int8.
struct QuantizableWeights {
  std::string name;         ///< of the parameter in its model, with ".weight"
  int* bits = nullptr;      ///< the network's own: 0, or those that it rounds the weights to wherever it uses them
  std::int64_t values = 0;  ///< of a table of embeddings: how many; 0: a layer's, which become int8 whatever their size
};

/// A value that layers read, as a network describes it: where its range is to stand, and whose weights it is multiplied with.  Without
/// a place the weights alone become int8: tables of embeddings, and patch embeddings, whose pixels a runtime rounds patch by patch.
struct QuantizableValue {
  std::shared_ptr<ValueRange>* place = nullptr;  ///< the network's own; a null pointer as long as nothing is to be rounded
  std::vector<QuantizableWeights> readers;
};

}  // namespace edgeclip
