#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "builder/quantize/retrieval_probe.h"
#include "builder/quantize/tower_candidates.h"

namespace edgeclip::builder {

/// Both towers of a bundle, with any choice of their layers in int8, and what that does to retrieval.  A
/// tower is not run again for a choice that it was run for.  Not thread-safe.
class BundleCandidates {
 public:
  /// Layers of both towers by their place in layers().
  using Choice = std::set<std::size_t>;

  struct Layer {
    std::string tower;  ///< "image" | "text"
    std::string name;
    std::vector<std::string> nodes;  ///< TowerCandidates::Layer
  };

  BundleCandidates(TowerCandidates image, TowerCandidates text, RetrievalProbe probe);

  const std::vector<Layer>& layers() const { return layers_; }
  const RetrievalProbe& probe() const { return probe_; }
  /// With the layers of `int8`, and with tables: of both towers.
  RetrievalScore score(const Choice& int8, bool tables);
  /// 10 log10(sum e^2 / sum (e - e_q)^2) in dB of the embeddings of the layer's tower, with this layer alone
  /// in int8; kMostDecibels where there is no noise.
  double sqnr(std::size_t layer);
  /// How often a tower was run over all images or captions.
  int runs() const { return runs_; }

 private:
  const Tensor& embeddings(bool text, const Choice& int8, bool tables);

  TowerCandidates image_, text_;
  RetrievalProbe probe_;
  std::vector<Layer> layers_;
  std::map<std::pair<Choice, bool>, Tensor> images_, texts_;  ///< by the tower's own choice
  int runs_ = 0;
};

}  // namespace edgeclip::builder
