#pragma once

#include "engine/ops/operator.h"

namespace edgeclip::engine {

/// Multiplications of an Einsum as its one nest of loops: (operands - 1) times the extents of all labels.
/// Throws InvalidInput if the equation does not fit the operands.
std::int64_t einsum_multiplications(const Node& node, const Inputs& inputs);

}  // namespace edgeclip::engine
