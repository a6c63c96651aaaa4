#include "export/emit.h"

namespace edgeclip {

// x ─► projection ─► activation ─► fc ─► Add ─► LayerNorm ─► y        or x ─► MatMul ─► y
//          └───────────────────────────►┘
Value emit_projection(GraphBuilder& g, const Projection& projection, const Value& x,
                      const std::string& name) {
  if (projection.mlp.is_empty()) return emit_linear(g, projection.linear, x, name);
  const GraphBuilder::Scope scope(g, name);
  const MlpProjection& mlp = projection.mlp;
  const Value y = emit_linear(g, mlp->projection, x, name + ".projection");
  const Value z = emit_linear(g, mlp->fc, emit_activation(g, mlp->config.hidden_act, y), name + ".fc");
  return emit_layer_norm(g, mlp->layer_norm, g.add(y, z), name + ".layer_norm");
}

}  // namespace edgeclip
