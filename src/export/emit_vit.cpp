#include "export/emit.h"
#include "model/towers/vit.h"

namespace edgeclip {

namespace {

/// (B, 3, H, W) -> (B, 1 + patches, width)
Value emit_embeddings(GraphBuilder& g, const VisionTransformer& tower, const Value& pixels) {
  const GraphBuilder::Scope scope(g, "embeddings");
  const std::string name = "vision_model.embeddings.";
  const VisionConfig& config = tower.config;
  const std::int64_t patch = config.patch_size, width = config.hidden_size;
  const Value grid = g.node(
      "Conv", {pixels, emit_parameter(g, tower.patch_embedding->weight, name + "patch_embedding.weight")},
      DType::f32, {-1, width, config.image_height / patch, config.image_width / patch},
      {onnx_ir::Attr::integers("kernel_shape", {patch, patch}),
       onnx_ir::Attr::integers("strides", {patch, patch})});
  const Value patches = g.transpose(g.reshape(grid, {0, width, -1}), {0, 2, 1});
  // One class token per image: the batch is known only at run time.
  const Value token = emit_parameter(g, tower.class_embedding.view({1, 1, width}), name + "class_embedding");
  const Value shape = g.concat({g.shape_of(pixels, 0, 1), g.constant({1, width}, "class_shape")}, 0);
  const Value tokens = g.node("Expand", {token, shape}, DType::f32, {-1, 1, width});
  return g.add(g.concat({tokens, patches}, 1),
               emit_parameter(g, tower.position_embedding->weight, name + "position_embedding.weight"));
}

}  // namespace

Value emit_vit(GraphBuilder& g, const VisionTransformer& tower, const Value& pixels) {
  const GraphBuilder::Scope scope(g, "vision_model");
  const std::int64_t width = tower.config.hidden_size;
  Value x = emit_embeddings(g, tower, pixels);
  x = emit_layer_norm(g, tower.pre_layrnorm, x, "vision_model.pre_layrnorm");
  std::optional<Value> sizes;
  {
    const GraphBuilder::Scope blocks(g, "encoder");
    x = emit_blocks(g, tower.encoder, x, nullptr, "vision_model.encoder", &sizes);
  }
  if (tower.config.pooling == "mean") {
    const std::int64_t tokens = x.shape.at(1);
    x = g.slice(x, g.constant({1}, "patches_start"), g.constant({tokens}, "patches_end"), {1},
                {-1, tokens - 1, width});
    x = emit_layer_norm(g, tower.post_layernorm, x, "vision_model.post_layernorm");
    if (sizes) {  // the mean of the patches, whatever rows they are in
      const auto patches = static_cast<float>(tower.position_embedding->weight.size(0) - 1);
      const Value sum = g.reduce("ReduceSum", g.mul(x, g.slice_axis(*sizes, 1, 1, tokens)), {1}, false);
      return g.mul(sum, g.scalar(1 / patches, "patches"));
    }
    return g.reduce("ReduceMean", x, {1}, false);
  }
  const Value first = g.initializer("vision_model/class_index", Tensor::from<std::int64_t>({}, {0}));
  return emit_layer_norm(g, tower.post_layernorm, g.gather(x, first, 1), "vision_model.post_layernorm");
}

}  // namespace edgeclip
