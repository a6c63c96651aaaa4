#include "export/emit.h"

namespace edgeclip {

Value emit_encoder(GraphBuilder& g, const Transformer& encoder, Value x, const Value* mask,
                   const std::string& name) {
  const GraphBuilder::Scope scope(g, "encoder");
  for (std::size_t i = 0; i < encoder->layers->size(); ++i) {
    const std::string layer_name = fmt::format("{}.layers.{}", name, i);
    const GraphBuilder::Scope layer_scope(g, fmt::format("layers.{}", i));
    const EncoderLayer layer = encoder->layer(i);
    const Value normed = emit_layer_norm(g, layer->layer_norm1, x, layer_name + ".layer_norm1");
    x = g.add(x, emit_attention(g, layer->self_attn, normed, mask, layer_name + ".self_attn"));
    x = g.add(x,
              emit_mlp(g, layer->mlp, emit_layer_norm(g, layer->layer_norm2, x, layer_name + ".layer_norm2"),
                       layer_name + ".mlp"));
  }
  return x;
}

}  // namespace edgeclip
