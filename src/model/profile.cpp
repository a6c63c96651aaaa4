#include "model/profile.h"

#include "base/error.h"
#include "model/parameter_count.h"
#include "model/profiler.h"

namespace edgeclip {

namespace {

void add_projection(Profiler& profiler, const std::string& name, const Projection& head, std::int64_t batch) {
  if (head.mlp.is_empty()) {
    profiler.add(name, "projection", linear_macs(head.linear, batch), {head.linear.get()});
    return;
  }
  profiler.add(name, "projection",
               linear_macs(head.mlp->projection, batch) + linear_macs(head.mlp->fc, batch), {head.mlp.get()});
}

}  // namespace

ModelProfile profile_model(const DualEncoder& model, int batch, int tokens) {
  const int context = model->config.text.max_position_embeddings;
  if (batch < 1) invalid_input("batch: must be at least 1, is {}", batch);
  if (tokens < 1 || tokens > context)
    invalid_input("tokens: must be 1 to {}, the model's context length, is {}", context, tokens);
  ModelProfile profile;
  profile.batch = batch;
  profile.tokens = tokens;
  profile.total.name = "total";
  profile.total.kind = "model";

  Profiler profiler(profile);
  model->vision_model->profile(profiler, "vision_model", batch);
  add_projection(profiler, "visual_projection", model->visual_projection, batch);
  profile.image_macs = profile.total.macs;
  model->text_model->profile(profiler, "text_model", batch, tokens);
  add_projection(profiler, "text_projection", model->text_projection, batch);
  profile.text_macs = profile.total.macs - profile.image_macs;
  profiler.add("logit_scale", "scalar", 0, {});
  profiler.hold(model->logit_scale);

  const std::int64_t parameters = profile.total.parameters;
  EDGECLIP_CHECK(parameters == parameter_count(*model), "{} parameters have rows", parameters);
  profile.as_type = {
      {"fp32", 4 * parameters}, {"fp16", 2 * parameters}, {"bf16", 2 * parameters}, {"int8", parameters}};
  return profile;
}

Json to_json(const ModelProfile& profile) {
  Json modules = Json::array();
  for (const ModuleProfile& row : profile.rows)
    modules.push_back({{"name", row.name},
                       {"kind", row.kind},
                       {"parameters", row.parameters},
                       {"trainable", row.trainable},
                       {"buffers", row.buffers},
                       {"macs", row.macs},
                       {"flops", kFlopsPerMac * row.macs},
                       {"bytes", row.bytes}});
  Json bytes = {{"stored", profile.stored}};
  for (const char* type : {"fp32", "fp16", "bf16", "int8"}) bytes[type] = profile.as_type.at(type);
  return {
      {"batch", profile.batch},
      {"tokens", profile.tokens},
      {"parameters", {{"total", profile.total.parameters}, {"trainable", profile.total.trainable}}},
      {"macs", {{"image", profile.image_macs}, {"text", profile.text_macs}}},
      {"flops", {{"image", kFlopsPerMac * profile.image_macs}, {"text", kFlopsPerMac * profile.text_macs}}},
      {"bytes", bytes},
      {"modules", modules}};
}

}  // namespace edgeclip
