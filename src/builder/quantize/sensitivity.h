#pragma once

#include <vector>

#include "base/json.h"
#include "builder/quantize/bundle_candidates.h"

namespace edgeclip::builder {

/// What int8 in one layer alone does.
struct LayerSensitivity {
  std::size_t layer = 0;  ///< BundleCandidates::layers()
  double sqnr_db = 0;     ///< of its tower's embeddings
  RetrievalScore score;
};

struct Sensitivity {
  RetrievalScore fp32, int8;             ///< of no layer and of all, with tables, in int8
  std::vector<LayerSensitivity> layers;  ///< least SQNR first
};

/// Tries each layer by itself.  Layers are ordered by SQNR, not by score: over a few hundred queries a single
/// layer moves R@1 by less than it moves by chance.
Sensitivity measure_sensitivity(BundleCandidates& candidates);

/// {"R@1","mAP"}
Json to_json(const RetrievalScore& score);
/// {"images","captions","fp32","int8","layers":[{"tower","layer","nodes","sqnr_db","R@1","mAP","R@1_loss","mAP_loss"}]}
Json to_json(const Sensitivity& sensitivity, const BundleCandidates& candidates);

}  // namespace edgeclip::builder
