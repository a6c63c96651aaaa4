#pragma once

#include <cstdint>
#include <vector>

namespace edgeclip {

/// What of a layer's scores stands beside other layers' in one ranking.
enum class Ranking {
  score,          ///< the score: of one scale in all layers
  score_per_mac,  ///< the score by the multiply-accumulates that go with the neuron
  layer_mean      ///< the score by its layer's mean: layers of any scale lose alike
};

struct SelectionOptions {
  double remove = 0.3;     ///< part of all neurons to remove
  bool global = true;      ///< one ranking over all layers, or the same part of each
  Ranking ranking = Ranking::score;
  int multiple = 8;        ///< a layer that loses neurons keeps a multiple of this
  double min_keep = 0.25;  ///< no layer keeps less than this part
};

/// Which neurons stay.  scores[l]: importance of layer l's neurons, finite and not negative.  macs[l]: what one neuron of
/// it costs, for score_per_mac.  Returns ascending indices per layer.
///
/// Global: the group of `multiple` neurons with the smallest mean of what `ranking` says goes first, wherever it lies, as
/// long as its layer stays above min_keep.  At most the asked part is removed; less where min_keep or rounding forbids
/// more.  Equal scores: the later neuron goes first.
std::vector<std::vector<std::int64_t>> select_neurons(const std::vector<std::vector<float>>& scores,
                                                      const SelectionOptions& options,
                                                      const std::vector<double>& macs = {});

}  // namespace edgeclip
