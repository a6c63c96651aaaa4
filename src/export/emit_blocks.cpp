#include "export/emit.h"

namespace edgeclip {

Value emit_blocks(GraphBuilder& g, const Transformer& blocks, Value x, const Value* mask,
                  const std::string& name) {
  const BlockStyle& names = blocks->style;
  for (std::size_t i = 0; i < blocks->layers->size(); ++i) {
    const std::string local = fmt::format("{}.{}", names.layers, i), full = name + "." + local + ".";
    const GraphBuilder::Scope scope(g, local);
    const EncoderLayer layer = blocks->layer(i);
    const auto attention = [&](const Value& in) {
      return emit_attention(g, layer->self_attn, in, mask, names, full + names.attention);
    };
    const auto mlp = [&](const Value& in) { return emit_mlp(g, layer->mlp, in, names, full + names.mlp); };
    const auto norm1 = [&](const Value& in) {
      return emit_layer_norm(g, layer->layer_norm1, in, full + names.attention_norm);
    };
    const auto norm2 = [&](const Value& in) {
      return emit_layer_norm(g, layer->layer_norm2, in, full + names.mlp_norm);
    };
    if (names.post_norm) {
      x = norm1(g.add(x, attention(x)));
      x = norm2(g.add(x, mlp(x)));
    } else {
      x = g.add(x, attention(norm1(x)));
      x = g.add(x, mlp(norm2(x)));
    }
  }
  return x;
}

}  // namespace edgeclip
