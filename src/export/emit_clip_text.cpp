#include <limits>

#include "export/emit.h"
#include "model/towers/clip_text.h"

namespace edgeclip {

namespace {

/// (1, 1, C, C): 0 on and below the diagonal, above it the lowest float, whose exp is 0 (an infinity could
/// meet another).
Tensor causal_mask(std::int64_t context) {
  Tensor mask(DType::f32, {1, 1, context, context});
  for (std::int64_t row = 0; row < context; ++row)
    for (std::int64_t column = row + 1; column < context; ++column)
      mask.data<float>()[row * context + column] = std::numeric_limits<float>::lowest();
  return mask;
}

/// (B, T, W) at the end of each row's text -> (B, W)
Value emit_pool(GraphBuilder& g, const TextConfig& config, const Value& x, const Value& ids) {
  const GraphBuilder::Scope scope(g, "pool");
  Value mark = ids;
  if (config.end_pooling == "first_end") {
    const Value end =
        g.initializer("text_model/pool/end_id", Tensor::from<std::int64_t>({}, {config.eos_token_id}));
    mark = g.node("Equal", {ids, end}, DType::boolean, ids.shape);
  }
  mark = g.node("Cast", {mark}, DType::i32, ids.shape,
                {Attr::integer("to", onnx_ir::dtype_to_onnx(DType::i32))});
  const Value first =
      g.node("ArgMax", {mark}, DType::i64, {-1, 1},
             {Attr::integer("axis", 1), Attr::integer("keepdims", 1), Attr::integer("select_last_index", 0)});
  return g.node("GatherND", {x, first}, DType::f32, {-1, config.hidden_size},
                {Attr::integer("batch_dims", 1)});
}

}  // namespace

Value emit_clip_text(GraphBuilder& g, const ClipTextTower& tower, const Value& ids) {
  const TextConfig& config = tower.config;
  const GraphBuilder::Scope scope(g, "text_model");
  const std::string name = "text_model.embeddings.";
  // Position table and mask are made for the longest text and cut to this batch's T.
  const Value length = g.shape_of(ids, 1, 2);
  const Value table = emit_parameter(g, tower.position_embedding->weight, name + "position_embedding.weight");
  const Value positions =
      g.slice(table, g.constant({0}, "position_start"), length, {0}, {-1, config.hidden_size});
  const Value mask =
      g.slice(g.initializer("text_model/causal_mask", causal_mask(config.max_position_embeddings)),
              g.constant({0, 0}, "mask_start"), g.concat({length, length}, 0), {2, 3}, {1, 1, -1, -1});
  Value x =
      g.gather(emit_parameter(g, tower.token_embedding->weight, name + "token_embedding.weight"), ids, 0);
  {
    const GraphBuilder::Scope blocks(g, "encoder");
    x = emit_blocks(g, tower.encoder, g.add(x, positions), &mask, "text_model.encoder");
  }
  return emit_layer_norm(g, tower.final_layer_norm, emit_pool(g, config, x, ids),
                         "text_model.final_layer_norm");
}

}  // namespace edgeclip
