#pragma once

#include <set>
#include <string>
#include <vector>

#include "builder/quantize/quantize_graph.h"
#include "builder/quantize/retrieval_probe.h"

namespace edgeclip::builder {

/// A tower of a bundle as its plan would compute it, with any choice of its layers in int8: tried in memory,
/// without a file.
class TowerCandidates {
 public:
  struct Layer {
    std::string name;  ///< of the node in the optimized graph
    std::string key;   ///< QuantizableLayer::key
    std::vector<std::string>
        nodes;  ///< the products of the ONNX file that it computes: as "=NAME" they exclude it, and it alone
  };

  /// graph: as imported.  how: of the optimized graph; with neither samples nor ranges activations have a
  /// scale per row.
  TowerCandidates(engine::Graph graph, GraphQuantization how);

  /// Those that may become int8, in the order in which they run.
  const std::vector<Layer>& layers() const { return layers_; }
  /// The tower with these layers (keys) in int8; tables: of embeddings, too.
  RunTower tower(const std::set<std::string>& int8, bool tables) const;

 private:
  engine::Graph graph_;  ///< optimized, float32
  GraphQuantization how_;
  LayerQuantization quantization_;
  std::vector<Layer> layers_;
};

}  // namespace edgeclip::builder
