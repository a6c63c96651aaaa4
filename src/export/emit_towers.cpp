#include "base/registry.h"
#include "bundle/bundle.h"
#include "export/emit.h"
#include "model/towers/clip_text.h"
#include "model/towers/distilbert.h"
#include "model/towers/resnet.h"
#include "model/towers/vit.h"

namespace edgeclip {

namespace {

/// Emits the tower that a model of this name has.
struct Emission {
  const char* name;  ///< model_type
  Value (*emit)(GraphBuilder& g, const TowerImpl& tower, const Value& input);
};

template <class Tower, Value (*kEmit)(GraphBuilder&, const Tower&, const Value&)>
Value emit_as(GraphBuilder& g, const TowerImpl& tower, const Value& input) {
  return kEmit(g, dynamic_cast<const Tower&>(tower), input);
}

constexpr Emission kImageTowers[] = {{"vit", emit_as<VisionTransformer, emit_vit>},
                                     {"resnet", emit_as<ResNet, emit_resnet>}};
constexpr Emission kTextTowers[] = {{"clip_text", emit_as<ClipTextTower, emit_clip_text>},
                                    {"distilbert", emit_as<DistilBertTower, emit_distilbert>}};

}  // namespace

std::vector<std::string> emitted_image_towers() { return row_names(kImageTowers); }
std::vector<std::string> emitted_text_towers() { return row_names(kTextTowers); }

Value emit_image_embeddings(GraphBuilder& g, const DualEncoder& model, const Value& pixels) {
  const Value pooled = named_row(kImageTowers, model->config.vision.model_type).emit(g, *model->vision_model, pixels);
  return g.l2_normalize(emit_projection(g, model->visual_projection, pooled, "visual_projection"));
}

Value emit_text_embeddings(GraphBuilder& g, const DualEncoder& model, const Value& ids) {
  const Value pooled = named_row(kTextTowers, model->config.text.model_type).emit(g, *model->text_model, ids);
  return g.l2_normalize(emit_projection(g, model->text_projection, pooled, "text_projection"));
}

void emit_image_tower(GraphBuilder& g, const DualEncoder& model, const ImageTransform* from_bytes) {
  g.output(emit_image_embeddings(g, model, emit_pixels(g, model, from_bytes, "batch")), kImageEmbeds, {"batch"});
}

void emit_text_tower(GraphBuilder& g, const DualEncoder& model) {
  const Value ids = g.input(kInputIds, DType::i64, {-1, -1}, {"batch", "tokens"});
  g.output(emit_text_embeddings(g, model, ids), kTextEmbeds, {"batch"});
}

}  // namespace edgeclip
