#pragma once

#include <exception>
#include <map>
#include <vector>

#include "engine/graph/graph.h"
#include "engine/graph/symbolic_rules.h"

namespace edgeclip::engine {

/// What is known of every value of a graph whatever the sizes of its dynamic dimensions are.
struct SymbolicFacts {
  std::vector<SymbolicValue> values;  ///< by id; no dimension is unknown()
  /// By a node's first output: the InvalidInput of its rule (or kernel, for small known data), which refused
  /// inputs that hold no symbol.
  std::map<ValueId, std::exception_ptr> refusals;
};

/// Dimensions of the graph's inputs that have a name are equal by name; the others are symbols of their own,
/// "x[2]" of input x, and so are dimensions inside that follow from nothing known, "?0", "?1", ...  Runs the
/// operators' own rules and reference kernels where no symbol stands in a node's way, else the rules of
/// symbolic_rules.h.  Throws nothing for graphs that are wrong.
SymbolicFacts infer_symbolic(const Graph& graph);

}  // namespace edgeclip::engine
