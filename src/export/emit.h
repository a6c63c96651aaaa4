#pragma once

#include <string>

#include "model/dual_encoder.h"
#include "onnx/graph_builder.h"

/// ONNX emission: one function per module of src/model, each reading like that module's forward pass.  name:
/// the module's dotted name ("vision_model.encoder.layers.0.mlp"); initializers keep Hugging Face's parameter
/// names. Whatever is constant is computed here, so that a runtime finds nothing to fold.
namespace edgeclip {

using onnx_ir::GraphBuilder;
using onnx_ir::Value;

/// (..., in) -> (..., out).  The weight is stored transposed, (in, out), as MatMul wants it.
Value emit_linear(GraphBuilder& g, const Linear& linear, const Value& x, const std::string& name);
Value emit_layer_norm(GraphBuilder& g, const torch::nn::LayerNorm& norm, const Value& x,
                      const std::string& name);
/// x: (B, T, W).  mask: additive, broadcast to (B, heads, T, T), or null.
Value emit_attention(GraphBuilder& g, const Attention& attention, const Value& x, const Value* mask,
                     const std::string& name);
Value emit_mlp(GraphBuilder& g, const Mlp& mlp, const Value& x, const std::string& name);
Value emit_encoder(GraphBuilder& g, const Transformer& encoder, Value x, const Value* mask,
                   const std::string& name);

/// Whole graphs, inputs and outputs as bundle/bundle.h names them.
void emit_image_tower(GraphBuilder& g, const DualEncoder& model);
void emit_text_tower(GraphBuilder& g, const DualEncoder& model);

/// A parameter as an initializer of its own name.
Value emit_parameter(GraphBuilder& g, const torch::Tensor& parameter, const std::string& name);

}  // namespace edgeclip
