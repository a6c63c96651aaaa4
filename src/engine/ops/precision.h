#pragma once

#include <string>
#include <vector>

#include "engine/graph/graph.h"

namespace edgeclip::engine {

/// The precision that a node works in, for people: "int8" where it multiplies or looks up quantized numbers,
/// "bf16" or "fp16" where one of its operands is (weights in 16 bits, whatever the result is widened to),
/// else that of its result: "fp32", "fp64", or NumPy's name ("int64", "bool"). inputs: of all that are given;
/// weights are among them.
std::string node_precision(const Node& node, const std::vector<DType>& inputs, DType output);

}  // namespace edgeclip::engine
