#pragma once

#include "engine/ops/activation.h"
#include "kernels/gemm/epilogue.h"

namespace edgeclip::engine {

/// An activation that is_product_activation(), as the kernels know it.
inline kernels::Activation product_activation(const Activation& activation) {
  switch (activation.kind) {
    case Activation::kRelu:
      return kernels::Activation::relu;
    case Activation::kGelu:
      return kernels::Activation::gelu;
    case Activation::kQuickGelu:
      return kernels::Activation::quick_gelu;
    default:
      return kernels::Activation::none;
  }
}

}  // namespace edgeclip::engine
