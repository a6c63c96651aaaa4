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

void emit_image_tower(GraphBuilder& g, const DualEncoder& model) {
  const VisionConfig& config = model->config.vision;
  const Value pixels =
      g.input(kPixelValues, DType::f32, {-1, 3, config.image_height, config.image_width}, {"batch"});
  const Value pooled = named_row(kImageTowers, config.model_type).emit(g, *model->vision_model, pixels);
  const Value projected = emit_projection(g, model->visual_projection, pooled, "visual_projection");
  g.output(g.l2_normalize(projected), kImageEmbeds, {"batch"});
}

void emit_text_tower(GraphBuilder& g, const DualEncoder& model) {
  const Value ids = g.input(kInputIds, DType::i64, {-1, -1}, {"batch", "tokens"});
  const Value pooled = named_row(kTextTowers, model->config.text.model_type).emit(g, *model->text_model, ids);
  const Value projected = emit_projection(g, model->text_projection, pooled, "text_projection");
  g.output(g.l2_normalize(projected), kTextEmbeds, {"batch"});
}

}  // namespace edgeclip
