#pragma once

#include <cstdint>
#include <vector>

namespace edgeclip {

struct SelectionOptions {
  double remove = 0.3;     ///< part of all neurons to remove
  bool global = true;      ///< one ranking over all layers, or the same part of each
  int multiple = 8;        ///< a layer that loses neurons keeps a multiple of this
  double min_keep = 0.25;  ///< no layer keeps less than this part
};

/// Which neurons stay.  scores[l]: importance of layer l's neurons, not negative.  Returns ascending indices
/// per layer.
///
/// Global: the scores of a layer are divided by their mean, so that layers (and towers) of different scale
/// compare; then the group of `multiple` neurons with the smallest sum goes first, wherever it lies, as long
/// as its layer stays above min_keep.  At most the asked part is removed; less where min_keep or rounding
/// forbids more. Equal scores: the later neuron goes first.
std::vector<std::vector<std::int64_t>> select_neurons(const std::vector<std::vector<float>>& scores,
                                                      const SelectionOptions& options);

}  // namespace edgeclip
