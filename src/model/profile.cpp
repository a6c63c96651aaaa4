#include "model/profile.h"

#include <initializer_list>
#include <utility>

#include "base/error.h"
#include "base/tensor.h"
#include "model/towers/clip_text.h"
#include "model/towers/distilbert.h"
#include "model/towers/resnet.h"
#include "model/towers/vit.h"

namespace edgeclip {

namespace {

using Modules = std::initializer_list<const torch::nn::Module*>;

/// Above it a number in JSON is no longer exact for readers that have doubles alone.
constexpr std::int64_t kMostMacs = std::int64_t{1} << 53;

[[noreturn]] void too_many_macs() {
  invalid_input("profile: more than 2^53 MACs; give a smaller batch, or a model of smaller images");
}

std::int64_t product(std::initializer_list<std::int64_t> factors) {
  std::int64_t result = 1;
  for (const std::int64_t factor : factors)
    if (__builtin_mul_overflow(result, factor, &result) || result > kMostMacs) too_many_macs();
  return result;
}

const char* type_name(torch::ScalarType type) {
  switch (type) {
    case torch::kFloat:
      return dtype_name(DType::f32);
    case torch::kHalf:
      return dtype_name(DType::f16);
    case torch::kBFloat16:
      return dtype_name(DType::bf16);
    case torch::kLong:
      return dtype_name(DType::i64);
    default:
      return torch::toString(type);
  }
}

/// Collects the rows.
class Profiler {
 public:
  explicit Profiler(ModelProfile& profile) : profile_(profile) {}

  void add(std::string name, const char* kind, std::int64_t macs, Modules modules) {
    ModuleProfile& row = profile_.rows.emplace_back();
    row.name = std::move(name);
    row.kind = kind;
    row.macs = macs;
    profile_.total.macs += macs;
    if (profile_.total.macs > kMostMacs) too_many_macs();
    for (const torch::nn::Module* module : modules) {
      for (const torch::Tensor& parameter : module->parameters()) hold(parameter);
      for (const torch::Tensor& buffer : module->buffers()) hold(buffer, /*is_buffer=*/true);
    }
  }

  /// A tensor more in the last row.
  void hold(const torch::Tensor& tensor, bool is_buffer = false) {
    const auto bytes = static_cast<std::int64_t>(tensor.nbytes());
    for (ModuleProfile* sum : {&profile_.rows.back(), &profile_.total}) {
      (is_buffer ? sum->buffers : sum->parameters) += tensor.numel();
      if (tensor.requires_grad()) sum->trainable += tensor.numel();
      sum->bytes += bytes;
    }
    profile_.stored[type_name(tensor.scalar_type())] += bytes;
  }

 private:
  ModelProfile& profile_;
};

/// Of `rows` input vectors.
std::int64_t linear_macs(const Linear& layer, std::int64_t rows) {
  std::int64_t weights = layer->weight.numel();
  if (const LoraPair* lora = layer->lora()) weights += lora->A.numel() + lora->B.numel();
  return product({rows, weights});
}

std::int64_t attention_macs(const Attention& attention, std::int64_t batch, std::int64_t tokens) {
  std::int64_t macs = product({2, batch, tokens, tokens, attention->width});  // QK^T, then weights times V
  for (const Linear& layer : {attention->q_proj, attention->k_proj, attention->v_proj, attention->out_proj})
    macs += linear_macs(layer, product({batch, tokens}));
  return macs;
}

std::int64_t mlp_macs(const Mlp& mlp, std::int64_t rows) {
  return linear_macs(mlp->fc1, rows) + linear_macs(mlp->fc2, rows);
}

void add_blocks(Profiler& profiler, const std::string& tower_name, const TowerImpl& tower, std::int64_t batch,
                std::int64_t tokens) {
  const Transformer blocks = tower.blocks();
  for (std::size_t i = 0; i < blocks->layers->size(); ++i) {
    const EncoderLayer layer = blocks->layer(i);
    const std::string name =
        fmt::format("{}.{}.{}.{}.", tower_name, tower.blocks_name(), blocks->style.layers, i);
    profiler.add(name + layer->style.attention, "attention", attention_macs(layer->self_attn, batch, tokens),
                 {layer->self_attn.get(), layer->layer_norm1.get()});
    profiler.add(name + layer->style.mlp, "mlp", mlp_macs(layer->mlp, product({batch, tokens})),
                 {layer->mlp.get(), layer->layer_norm2.get()});
  }
}

void add_embeddings(Profiler& profiler, const std::string& tower_name, const TowerImpl& tower,
                    std::int64_t macs) {
  profiler.add(tower_name + ".embeddings", "embeddings", macs,
               {tower.named_children()["embeddings"].get()});  // the tower keeps it alive
}

void add_vit(Profiler& profiler, const VisionTransformer& vit, std::int64_t batch) {
  const std::int64_t positions = vit.position_embedding->weight.size(0);  // the class token's is the first
  add_embeddings(profiler, "vision_model", vit,
                 product({batch, positions - 1, vit.patch_embedding->weight.numel()}));
  profiler.add("vision_model.pre_layrnorm", "layer_norm", 0, {vit.pre_layrnorm.get()});
  add_blocks(profiler, "vision_model", vit, batch, positions);
  profiler.add("vision_model.post_layernorm", "layer_norm", 0, {vit.post_layernorm.get()});
}

/// Images on their way through convolutions.
struct Grid {
  std::int64_t batch, height, width;

  /// What a window of this size leaves, with padding of half of it.
  Grid after(std::int64_t window, std::int64_t stride) const {
    const auto side = [&](std::int64_t size) { return (size + window / 2 * 2 - window) / stride + 1; };
    return {batch, side(height), side(width)};
  }
  /// Of a convolution whose output this is.
  std::int64_t macs(const torch::nn::Conv2d& conv) const {
    return product({batch, height, width, conv->weight.numel()});
  }
};

void add_resnet(Profiler& profiler, const ResNet& resnet, std::int64_t batch) {
  Grid grid = Grid{batch, resnet.config.image_height, resnet.config.image_width}.after(7, 2);
  profiler.add("vision_model.stem", "stem", grid.macs(resnet.conv1), {resnet.conv1.get(), resnet.bn1.get()});
  grid = grid.after(3, 2);  // maximum pooling
  for (std::size_t s = 0; s < resnet.stages.size(); ++s)
    for (std::size_t i = 0; i < resnet.stages[s].size(); ++i) {
      const Bottleneck& block = resnet.stages[s][i];
      const Grid in = grid;
      grid = in.after(3, block->stride);
      std::int64_t macs = in.macs(block->conv1) + grid.macs(block->conv2) + grid.macs(block->conv3);
      if (!block->shortcut.is_empty()) macs += grid.macs(block->shortcut);
      profiler.add(fmt::format("vision_model.layer{}.{}", s + 1, i), "bottleneck", macs, {block.get()});
    }
}

void add_clip_text(Profiler& profiler, const ClipTextTower& clip, std::int64_t batch, std::int64_t tokens) {
  add_embeddings(profiler, "text_model", clip, 0);
  add_blocks(profiler, "text_model", clip, batch, tokens);
  profiler.add("text_model.final_layer_norm", "layer_norm", 0, {clip.final_layer_norm.get()});
}

void add_distilbert(Profiler& profiler, const DistilBertTower& bert, std::int64_t batch,
                    std::int64_t tokens) {
  add_embeddings(profiler, "text_model", bert, 0);
  add_blocks(profiler, "text_model", bert, batch, tokens);
}

void add_projection(Profiler& profiler, const std::string& name, const Projection& head, std::int64_t batch) {
  if (head.mlp.is_empty()) {
    profiler.add(name, "projection", linear_macs(head.linear, batch), {head.linear.get()});
    return;
  }
  profiler.add(name, "projection",
               linear_macs(head.mlp->projection, batch) + linear_macs(head.mlp->fc, batch), {head.mlp.get()});
}

void add_image_rows(Profiler& profiler, const DualEncoder& model, std::int64_t batch) {
  if (const auto* vit = dynamic_cast<const VisionTransformer*>(model->vision_model.get())) {
    add_vit(profiler, *vit, batch);
  } else {
    const auto* resnet = dynamic_cast<const ResNet*>(model->vision_model.get());
    EDGECLIP_CHECK(resnet != nullptr, "no profile of {}", model->config.vision.model_type);
    add_resnet(profiler, *resnet, batch);
  }
  add_projection(profiler, "visual_projection", model->visual_projection, batch);
}

void add_text_rows(Profiler& profiler, const DualEncoder& model, std::int64_t batch, std::int64_t tokens) {
  if (const auto* clip = dynamic_cast<const ClipTextTower*>(model->text_model.get())) {
    add_clip_text(profiler, *clip, batch, tokens);
  } else {
    const auto* bert = dynamic_cast<const DistilBertTower*>(model->text_model.get());
    EDGECLIP_CHECK(bert != nullptr, "no profile of {}", model->config.text.model_type);
    add_distilbert(profiler, *bert, batch, tokens);
  }
  add_projection(profiler, "text_projection", model->text_projection, batch);
}

std::int64_t number_of_parameters(const DualEncoder& model) {
  std::int64_t sum = 0;
  for (const torch::Tensor& parameter : model->parameters()) sum += parameter.numel();
  return sum;
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
  add_image_rows(profiler, model, batch);
  profile.image_macs = profile.total.macs;
  add_text_rows(profiler, model, batch, tokens);
  profile.text_macs = profile.total.macs - profile.image_macs;
  profiler.add("logit_scale", "scalar", 0, {});
  profiler.hold(model->logit_scale);

  const std::int64_t parameters = profile.total.parameters;
  EDGECLIP_CHECK(parameters == number_of_parameters(model), "{} parameters have rows", parameters);
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
