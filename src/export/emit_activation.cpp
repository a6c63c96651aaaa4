#include "base/error.h"
#include "export/emit.h"

namespace edgeclip {

namespace {

// x ─► Mul(1.702) ─► Sigmoid ─► Mul ─► y
// └────────────────────────────►┘
Value emit_quick_gelu(GraphBuilder& g, const Value& x) {
  return g.mul(x, g.sigmoid(g.mul(x, g.scalar(1.702f, "quick_gelu"))));
}

}  // namespace

Value emit_activation(GraphBuilder& g, const std::string& activation, const Value& x) {
  if (activation == "quick_gelu") return emit_quick_gelu(g, x);
  if (activation == "gelu") return g.gelu(x);
  EDGECLIP_CHECK(activation == "relu", "activation {}", activation);
  return g.node("Relu", {x}, DType::f32, x.shape);
}

}  // namespace edgeclip
