#include "export/emit.h"
#include "model/checkpoint.h"

namespace edgeclip {

Value emit_parameter(GraphBuilder& g, const torch::Tensor& parameter, const std::string& name) {
  return g.initializer(name, alias_tensor(parameter));
}

Value emit_linear(GraphBuilder& g, const Linear& linear, const Value& x, const std::string& name) {
  EDGECLIP_CHECK(!linear->lora(), "{}: the adapter must be merged before export", name);
  const GraphBuilder::Scope scope(g, name.substr(name.rfind('.') + 1));
  const Value y = g.matmul(x, emit_parameter(g, linear->weight.t(), name + ".weight"));
  return linear->bias.defined() ? g.add(y, emit_parameter(g, linear->bias, name + ".bias")) : y;
}

Value emit_layer_norm(GraphBuilder& g, const torch::nn::LayerNorm& norm, const Value& x,
                      const std::string& name) {
  const GraphBuilder::Scope scope(g, name.substr(name.rfind('.') + 1));
  return g.layer_norm(x, emit_parameter(g, norm->weight, name + ".weight"),
                      emit_parameter(g, norm->bias, name + ".bias"), static_cast<float>(norm->options.eps()));
}

}  // namespace edgeclip
