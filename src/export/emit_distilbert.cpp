#include <limits>

#include "export/emit.h"
#include "model/towers/distilbert.h"

namespace edgeclip {

namespace {

Value sum_tokens(GraphBuilder& g, const Value& x) { return g.reduce("ReduceSum", x, {1}, false); }

}  // namespace

// ids ─► Equal(pad) ─► Cast ─┬► Mul(lowest) ─► (B, 1, 1, T), added to the scores
//                            └► 1 - it ─► (B, T, 1), the weights of the mean
Value emit_distilbert(GraphBuilder& g, const DistilBertTower& tower, const Value& ids) {
  const TextConfig& config = tower.config;
  const std::int64_t width = config.hidden_size;
  const GraphBuilder::Scope scope(g, "text_model");
  const std::string name = "text_model.embeddings.";
  const Value pad_id =
      g.initializer("text_model/pad_id", Tensor::from<std::int64_t>({}, {config.pad_token_id}));
  const Value is_pad = g.node("Equal", {ids, pad_id}, DType::boolean, ids.shape);
  const Value padding = g.node("Cast", {is_pad}, DType::f32, ids.shape,
                               {Attr::integer("to", onnx_ir::dtype_to_onnx(DType::f32))});
  const Value mask =
      g.reshape(g.mul(padding, g.scalar(std::numeric_limits<float>::lowest(), "lowest")), {0, 1, 1, -1});

  const Value table =
      emit_parameter(g, tower.position_embeddings->weight, name + "position_embeddings.weight");
  const Value positions =
      g.slice(table, g.constant({0}, "position_start"), g.shape_of(ids, 1, 2), {0}, {-1, width});
  const Value words = emit_parameter(g, tower.word_embeddings->weight, name + "word_embeddings.weight");
  Value x = g.add(g.gather(words, ids, 0), positions);
  x = emit_layer_norm(g, tower.embedding_norm, x, name + "LayerNorm");
  {
    const GraphBuilder::Scope blocks(g, "transformer");
    x = emit_blocks(g, tower.transformer, x, &mask, "text_model.transformer");
  }
  const GraphBuilder::Scope pool(g, "pool");
  if (config.mask_pooling != "mean") {
    const Value first = g.initializer("text_model/class_index", Tensor::from<std::int64_t>({}, {0}));
    return g.gather(x, first, 1);
  }
  const Value one = g.scalar(1.0f, "one");
  const Value weights = g.reshape(g.node("Sub", {one, padding}, DType::f32, ids.shape), {0, -1, 1});
  const Value count = g.node("Max", {sum_tokens(g, weights), one}, DType::f32, {-1, 1});
  return g.div(sum_tokens(g, g.mul(x, weights)), count);
}

}  // namespace edgeclip
