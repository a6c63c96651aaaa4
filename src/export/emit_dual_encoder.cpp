#include <cmath>

#include "bundle/bundle.h"
#include "export/emit.h"

namespace edgeclip {

namespace {

/// A value for each channel of (B, 3, H, W).
template <class Of>
Value per_channel(GraphBuilder& g, const std::string& name, const Of& of) {
  Tensor values(DType::f32, {1, 3, 1, 1});
  for (std::size_t c = 0; c < 3; ++c) values.data<float>()[c] = static_cast<float>(of(c));
  return g.initializer(name, values);
}

}  // namespace

// pixels ─► Cast ─► Transpose ─► Div(255) ─► Sub(mean) ─► Div(std)        in the order in which the loader does it
Value emit_pixels(GraphBuilder& g, const DualEncoder& model, const ImageTransform* from_bytes, const char* batch) {
  const std::int64_t height = model->config.vision.image_height, width = model->config.vision.image_width;
  if (from_bytes == nullptr) return g.input(kPixelValues, DType::f32, {-1, 3, height, width}, {batch});
  const GraphBuilder::Scope scope(g, "preprocessing");
  const Value bytes = g.input(kPixelBytes, DType::u8, {-1, height, width, 3}, {batch});
  const Value floats = g.node("Cast", {bytes}, DType::f32, bytes.shape, {Attr::integer("to", onnx_ir::dtype_to_onnx(DType::f32))});
  const Value parts = g.div(g.transpose(floats, {0, 3, 1, 2}), g.scalar(255.0f, "most"));
  const Value mean = per_channel(g, "preprocessing/mean", [&](std::size_t c) { return from_bytes->mean[c]; });
  const Value centred = g.node("Sub", {parts, mean}, DType::f32, parts.shape);
  return g.div(centred, per_channel(g, "preprocessing/std", [&](std::size_t c) { return from_bytes->std[c]; }));
}

void emit_dual_encoder(GraphBuilder& g, const DualEncoder& model, const ImageTransform* from_bytes) {
  const Value ids = g.input(kInputIds, DType::i64, {-1, -1}, {"text_batch", "tokens"});
  const Value pixels = emit_pixels(g, model, from_bytes, "image_batch");
  Value text = emit_text_embeddings(g, model, ids), image = emit_image_embeddings(g, model, pixels);
  const Value scale = g.scalar(std::exp(model->logit_scale.item<float>()), "exp_logit_scale");
  const Value per_text = g.mul(g.matmul(text, g.transpose(image, {1, 0})), scale);
  g.output(g.transpose(per_text, {1, 0}), "logits_per_image", {"image_batch", "text_batch"});
  g.output(per_text, "logits_per_text", {"text_batch", "image_batch"});
  g.output(text, kTextEmbeds, {"text_batch"});
  g.output(image, kImageEmbeds, {"image_batch"});
}

}  // namespace edgeclip
