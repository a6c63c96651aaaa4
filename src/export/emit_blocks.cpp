#include "base/error.h"
#include "export/emit_token_merge.h"

namespace edgeclip {

Value emit_blocks(GraphBuilder& g, const Transformer& blocks, Value x, const Value* mask,
                  const std::string& name, std::optional<Value>* sizes_left) {
  const BlockStyle& names = blocks->style;
  std::optional<Value> sizes;  // of tokens, once some are merged
  g.layer(x);
  for (std::size_t i = 0; i < blocks->layers->size(); ++i) {
    const std::string local = fmt::format("{}.{}", names.layers, i), full = name + "." + local + ".";
    const GraphBuilder::Scope scope(g, local);
    const EncoderLayer layer = blocks->layer(i);
    std::optional<Value> size_mask;
    if (sizes && layer->proportional_attention) size_mask = emit_size_mask(g, *sizes);
    Value keys;
    const auto attention = [&](const Value& in) {
      return emit_attention(g, layer->self_attn, in, size_mask ? &*size_mask : mask, names, full + names.attention, &keys);
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
      if (layer->merged > 0) {
        EDGECLIP_CHECK(mask == nullptr, "{}: tokens merged under a mask", full);
        const MergedTokens left = emit_token_merge(g, x, keys, layer->self_attn->heads, sizes ? *sizes : emit_token_sizes(g, x),
                                                   layer->merged, full + "token_merging");
        x = left.x;
        sizes = left.sizes;
      }
      x = g.add(x, mlp(norm2(x)));
    }
    g.layer(x);
  }
  if (sizes_left && sizes) *sizes_left = *sizes;
  return x;
}

}  // namespace edgeclip
