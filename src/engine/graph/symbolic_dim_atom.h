#pragma once

#include "engine/graph/symbolic_dim.h"

/// Inside of SymbolicDim, for the files that implement it.
namespace edgeclip::engine {

/// What a polynomial is made of besides numbers.
struct SymbolicDim::Atom {
  enum class Kind { symbol, quotient, min, max, broadcast, scaled };
  Kind kind = Kind::symbol;
  std::string name;                   ///< of a symbol
  std::vector<SymbolicDim> operands;  ///< of the others
  float scale = 1;
  std::int64_t at_least = kNoBound;
  std::string key;  ///< equal for equal atoms only
};

/// n / d rounded down, d > 0.
inline std::int64_t floor_quotient(std::int64_t n, std::int64_t d) { return n / d - (n % d < 0 ? 1 : 0); }

}  // namespace edgeclip::engine
