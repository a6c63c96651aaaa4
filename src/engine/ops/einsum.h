#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "engine/ops/operator.h"

namespace edgeclip::engine {

/// The equation of an Einsum, spelt out for its operands.
struct Contraction {
  using Labels = std::vector<int>;
  std::vector<Labels> operands;         ///< a label for each dimension
  Labels output, summed;                ///< together all labels, each once
  std::map<int, std::int64_t> extents;  ///< of each label; a dimension of 1 beside a longer one broadcasts
};

/// Throws InvalidInput if the equation is not valid or does not fit the operands.
Contraction contraction_of(const Node& node, const Inputs& inputs);

/// Multiplications of an Einsum as its one nest of loops: (operands - 1) times the extents of all labels.
/// Throws InvalidInput if the equation does not fit the operands.
std::int64_t einsum_multiplications(const Node& node, const Inputs& inputs);

}  // namespace edgeclip::engine
