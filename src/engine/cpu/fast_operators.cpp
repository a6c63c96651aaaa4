#include "engine/cpu/fast_operators.h"

namespace edgeclip::engine {

const std::vector<FastOperator>& fast_operators() {
  static constexpr const char* kFloat = "float32";
  static constexpr const char* kOneSide = "float32, one side of the output's shape";
  static constexpr const char* kLeft = "float32, the left side of the output's shape";
  static constexpr const char* kView = "all types: no copy, a view";
  static const std::vector<FastOperator> all = {
      {"FusedMatMul", "edgeclip", kFloat},
      {"QuantMatMul", "edgeclip", "uint8 by int8"},
      {"MatMul", "", kFloat},
      {"Gemm", "", "float32, beta 1"},
      {"Conv", "", "float32, two spatial dimensions"},
      {"LayerNormalization", "", "float32, last axis"},
      {"Softmax", "", "float32, last axis"},
      {"Add", "", kOneSide},
      {"Mul", "", kOneSide},
      {"Sub", "", kLeft},
      {"Div", "", kLeft},
      {"Relu", "", kFloat},
      {"Sigmoid", "", kFloat},
      {"Tanh", "", kFloat},
      {"Exp", "", kFloat},
      {"Abs", "", kFloat},
      {"Gelu", "edgeclip", kFloat},
      {"QuickGelu", "edgeclip", kFloat},
      {"Transpose", "", "types of 1 and 4 bytes, up to 6 dimensions"},
      {"QuantizeLinear", "", "float32 to uint8, one constant scale"},
      {"Reshape", "", kView},
      {"Squeeze", "", kView},
      {"Unsqueeze", "", kView},
      {"Flatten", "", kView},
      {"Identity", "", kView},
      {"Cast", "", "to the type that it has: no copy, a view"},
  };
  return all;
}

}  // namespace edgeclip::engine
