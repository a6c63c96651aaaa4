#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/image/transform.h"
#include "model/dual_encoder.h"
#include "onnx/graph_builder.h"

/// ONNX emission: one function per module of src/model, each reading like that module's forward pass.  name:
/// the module's dotted name ("vision_model.encoder.layers.0.mlp"); initializers keep the model's parameter
/// names. Whatever is constant is computed here, so that a runtime finds nothing to fold.
namespace edgeclip {

using onnx_ir::Attr;
using onnx_ir::GraphBuilder;
using onnx_ir::Value;

class ClipTextTower;
class DistilBertTower;
class ResNet;
class VisionTransformer;

/// (..., in) -> (..., out).  The weight is stored transposed, (in, out), as MatMul wants it.
Value emit_linear(GraphBuilder& g, const Linear& linear, const Value& x, const std::string& name);
Value emit_layer_norm(GraphBuilder& g, const torch::nn::LayerNorm& norm, const Value& x,
                      const std::string& name);
Value emit_activation(GraphBuilder& g, const std::string& activation, const Value& x);
/// x: (B, T, W).  mask: additive, broadcast to (B, heads, T, T), or null.  names: below name.  keys, if asked for: (B, T,
/// heads' widths).
Value emit_attention(GraphBuilder& g, const Attention& attention, const Value& x, const Value* mask,
                     const BlockStyle& names, const std::string& name, Value* keys = nullptr);
Value emit_mlp(GraphBuilder& g, const Mlp& mlp, const Value& x, const BlockStyle& names,
               const std::string& name);
/// sizes, if asked for: of the tokens that are left, (B, T', 1), where blocks merge tokens; else it stays as it is.
Value emit_blocks(GraphBuilder& g, const Transformer& blocks, Value x, const Value* mask,
                  const std::string& name, std::optional<Value>* sizes = nullptr);
Value emit_projection(GraphBuilder& g, const Projection& projection, const Value& x, const std::string& name);

/// Towers: pixels (B, 3, H, W) or ids (B, T) -> pooled (B, width).  What forward() leaves as hidden states are the graph's layers.
Value emit_vit(GraphBuilder& g, const VisionTransformer& tower, const Value& pixels);
Value emit_resnet(GraphBuilder& g, const ResNet& tower, const Value& pixels);
Value emit_clip_text(GraphBuilder& g, const ClipTextTower& tower, const Value& ids);
Value emit_distilbert(GraphBuilder& g, const DistilBertTower& tower, const Value& ids);

/// The registry of emissions: names of the networks that have one, as model/towers/towers.h has them.
std::vector<std::string> emitted_image_towers();
std::vector<std::string> emitted_text_towers();

/// What a tower sees -> unit rows (B, D).
Value emit_image_embeddings(GraphBuilder& g, const DualEncoder& model, const Value& pixels);
Value emit_text_embeddings(GraphBuilder& g, const DualEncoder& model, const Value& ids);
/// The graph's pixels, (batch, 3, H, W) float32 as the tower sees them: the input pixel_values itself, or with `from_bytes` made of the
/// input `pixels`, (batch, H, W, 3) uint8, as that transform normalizes what it resized.
Value emit_pixels(GraphBuilder& g, const DualEncoder& model, const ImageTransform* from_bytes, const char* batch);

/// Whole graphs, inputs and outputs as bundle/bundle.h names them.
void emit_image_tower(GraphBuilder& g, const DualEncoder& model, const ImageTransform* from_bytes = nullptr);
void emit_text_tower(GraphBuilder& g, const DualEncoder& model);
/// Both towers as one, as transformers exports a CLIPModel: pixels of image_batch, input_ids (text_batch, tokens) -> logits_per_image
/// (image_batch, text_batch), logits_per_text, text_embeds, image_embeds.
void emit_dual_encoder(GraphBuilder& g, const DualEncoder& model, const ImageTransform* from_bytes);

/// A parameter as an initializer of its own name.
Value emit_parameter(GraphBuilder& g, const torch::Tensor& parameter, const std::string& name);

}  // namespace edgeclip
