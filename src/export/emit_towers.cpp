#include "base/error.h"
#include "bundle/bundle.h"
#include "export/emit.h"
#include "model/towers/clip_text.h"
#include "model/towers/distilbert.h"
#include "model/towers/resnet.h"
#include "model/towers/vit.h"

namespace edgeclip {

void emit_image_tower(GraphBuilder& g, const DualEncoder& model) {
  const VisionConfig& config = model->config.vision;
  const Value pixels =
      g.input(kPixelValues, DType::f32, {-1, 3, config.image_height, config.image_width}, {"batch"});
  Value pooled;
  if (const auto* vit = dynamic_cast<const VisionTransformer*>(model->vision_model.get())) {
    pooled = emit_vit(g, *vit, pixels);
  } else {
    const auto* resnet = dynamic_cast<const ResNet*>(model->vision_model.get());
    EDGECLIP_CHECK(resnet != nullptr, "no emission of {}", config.model_type);
    pooled = emit_resnet(g, *resnet, pixels);
  }
  const Value projected = emit_projection(g, model->visual_projection, pooled, "visual_projection");
  g.output(g.l2_normalize(projected), kImageEmbeds, {"batch"});
}

void emit_text_tower(GraphBuilder& g, const DualEncoder& model) {
  const Value ids = g.input(kInputIds, DType::i64, {-1, -1}, {"batch", "tokens"});
  Value pooled;
  if (const auto* clip = dynamic_cast<const ClipTextTower*>(model->text_model.get())) {
    pooled = emit_clip_text(g, *clip, ids);
  } else {
    const auto* bert = dynamic_cast<const DistilBertTower*>(model->text_model.get());
    EDGECLIP_CHECK(bert != nullptr, "no emission of {}", model->config.text.model_type);
    pooled = emit_distilbert(g, *bert, ids);
  }
  const Value projected = emit_projection(g, model->text_projection, pooled, "text_projection");
  g.output(g.l2_normalize(projected), kTextEmbeds, {"batch"});
}

}  // namespace edgeclip
