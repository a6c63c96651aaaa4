#include <cmath>

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

Value emit_mlp(GraphBuilder& g, const Mlp& mlp, const Value& x, const std::string& name) {
  const GraphBuilder::Scope scope(g, "mlp");
  const Value h = emit_linear(g, mlp->fc1, x, name + ".fc1");
  return emit_linear(g, mlp->fc2, mlp->activation == "quick_gelu" ? emit_quick_gelu(g, h) : emit_gelu(g, h),
                     name + ".fc2");
}

}  // namespace edgeclip
