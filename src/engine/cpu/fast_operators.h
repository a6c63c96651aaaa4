#pragma once

#include <vector>

namespace edgeclip::engine {

/// An operator for which select_kernel() has more than the reference kernel.
struct FastOperator {
  const char* name;
  const char* domain;
  const char* condition;  ///< in words: for which nodes
};

/// All of them, for documentation: a line for each operator of a family (families.h).
const std::vector<FastOperator>& fast_operators();

}  // namespace edgeclip::engine
