#pragma once

#include "engine/ops/activation.h"
#include "kernels/gemm/epilogue.h"

namespace edgeclip::engine {

/// Any activation, as the kernels know it.
inline void set_activation(kernels::Epilogue& epilogue, const Activation& activation) {
  using Kind = kernels::Activation;
  epilogue.alpha = activation.alpha;
  epilogue.beta = activation.beta;
  epilogue.activation = [&] {
    switch (activation.kind) {
      case Activation::kNone:
        return Kind::none;
      case Activation::kRelu:
        return Kind::relu;
      case Activation::kClip:
        return Kind::clip;
      case Activation::kLeakyRelu:
        return Kind::leaky_relu;
      case Activation::kSigmoid:
        return Kind::sigmoid;
      case Activation::kHardSigmoid:
        return Kind::hard_sigmoid;
      case Activation::kHardSwish:
        return Kind::hard_swish;
      case Activation::kSwish:
        return Kind::swish;
      case Activation::kTanh:
        return Kind::tanh;
      case Activation::kGelu:
        return Kind::gelu;
      case Activation::kGeluTanh:
        return Kind::gelu_tanh;
      case Activation::kQuickGelu:
        return Kind::quick_gelu;
    }
    return Kind::none;
  }();
}

}  // namespace edgeclip::engine
