#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "model/config/model_config.h"
#include "model/tap.h"

/// What a network says of the parts that it could do without.
namespace edgeclip {

enum class PruneKind { neurons, heads, channels };
inline constexpr PruneKind kPruneKinds[] = {PruneKind::neurons, PruneKind::heads, PruneKind::channels};
/// "neurons", "heads", "channels".
const char* prune_kind_name(PruneKind kind);

/// What belongs to a group's units of one tensor: to unit u, the values [u size, (u + 1) size) along dim.
struct TensorSlice {
  std::string tensor;  ///< parameter or buffer, as the model names it
  int dim = 0;
  std::int64_t size = 1;
  bool reads = false;  ///< it reads what the units give; else it makes that
  /// How many times a pass multiplies by each value of the tensor; 0: it is in no product.  Alike in all slices of a tensor.
  double applied = 0;
};

/// Units of one kind that can go, each by itself: with a unit go its slices of every tensor.
struct PruneGroup {
  std::string name;  ///< of the module that makes the units' values ("vision_model.encoder.layers.0.mlp")
  PruneKind kind = PruneKind::neurons;
  bool vision = true;  ///< of the image tower
  std::int64_t units = 0;
  std::vector<TensorSlice> slices;
  /// Where what makes the units' values gives them: (N, units size) or (B, units size, H, W).  They live as long as the model.
  std::vector<Tap*> taps;
  double unit_macs = 0;  ///< of a unit, beside those by `applied`
  /// Whether the units are what the tower gives: then the head that reads it has a slice as well.
  bool leaves_tower = false;
  double leaves_applied = 0;  ///< of that slice

  std::function<void(ModelConfig&, int units)> resize;  ///< says in a configuration that as many are left
};

/// A block that can go as a whole: the names of those behind it move up by one.
struct PruneBlock {
  std::string list;  ///< "vision_model.encoder.layers"
  int index = 0;
  std::function<void(ModelConfig&)> remove;  ///< says in a configuration that it is gone

  std::string name() const { return list + "." + std::to_string(index); }
};

}  // namespace edgeclip
