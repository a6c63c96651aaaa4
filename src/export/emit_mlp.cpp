#include "export/emit.h"

namespace edgeclip {

Value emit_mlp(GraphBuilder& g, const Mlp& mlp, const Value& x, const BlockStyle& names,
               const std::string& name) {
  const GraphBuilder::Scope scope(g, names.mlp);
  const Value h = emit_linear(g, mlp->fc1, x, name + "." + names.fc1);
  return emit_linear(g, mlp->fc2, emit_activation(g, mlp->activation, h), name + "." + names.fc2);
}

}  // namespace edgeclip
