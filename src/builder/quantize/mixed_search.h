#pragma once

#include <vector>

#include "builder/quantize/sensitivity.h"

namespace edgeclip::builder {

/// A choice of layers that stay float32.
struct MixedChoice {
  std::vector<std::size_t> stay;  ///< BundleCandidates::layers(), most sensitive first
  RetrievalScore score;           ///< with them, all other layers and tables in int8
};

/// The fewest layers that have to stay float32 for R@1 to fall by at most `most_loss` points below float32,
/// as far as a search finds them: of the layers in order of sensitivity the shortest beginning that is
/// enough, by bisection, out of which each layer is then taken again that turns out not to be needed, the
/// least sensitive one first.  Throws CheckNotMet if no layer at all could be int8.
MixedChoice find_mixed(BundleCandidates& candidates, const Sensitivity& sensitivity, double most_loss);

}  // namespace edgeclip::builder
