#include <cmath>

#include "base/error.h"
#include "export/emit.h"

namespace edgeclip {

namespace {

// x ─► Mul(1.702) ─► Sigmoid ─► Mul ─► y
// └────────────────────────────►┘
Value emit_quick_gelu(GraphBuilder& g, const Value& x) {
  return g.mul(x, g.sigmoid(g.mul(x, g.scalar(1.702f, "quick_gelu"))));
}

// x ─► Div(√2) ─► Erf ─► Add(1) ─► Mul ─► Mul(0.5) ─► y
// └───────────────────────────────►┘
Value emit_gelu(GraphBuilder& g, const Value& x) {
  const Value phi =
      g.add(g.erf(g.div(x, g.scalar(static_cast<float>(std::sqrt(2.0)), "sqrt2"))), g.scalar(1.0f, "one"));
  return g.mul(g.mul(x, phi), g.scalar(0.5f, "half"));
}

}  // namespace

Value emit_activation(GraphBuilder& g, const std::string& activation, const Value& x) {
  if (activation == "quick_gelu") return emit_quick_gelu(g, x);
  if (activation == "gelu") return emit_gelu(g, x);
  EDGECLIP_CHECK(activation == "relu", "activation {}", activation);
  return g.node("Relu", {x}, DType::f32, x.shape);
}

}  // namespace edgeclip
