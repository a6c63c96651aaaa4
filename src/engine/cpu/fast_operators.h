#pragma once

#include <vector>

namespace edgeclip::engine {

/// An operator for which the CPU backend has more than the reference kernel.
struct FastOperator {
  const char* name;
  const char* domain;
  const char* condition;  ///< in words: for which nodes
};

/// All of them, for documentation: what the backend's table says, and the views, which no kernel runs for.
std::vector<FastOperator> fast_operators();

}  // namespace edgeclip::engine
