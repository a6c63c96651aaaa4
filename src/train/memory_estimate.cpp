#include "train/memory_estimate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "model/config/model_config.h"
#include "model/config/token_merging.h"

namespace edgeclip {

namespace {

constexpr double kMiB = 1024.0 * 1024.0;
constexpr std::int64_t kFloat = 4;
/// Measured with CLIP ViT-B/32: an adapter's steps are as fast with nothing idle; those of all weights, 8 pairs at a time, 4 %
/// slower with 128 MiB, 6 % with 64.
constexpr std::int64_t kLeastIdle = std::int64_t{64} << 20, kMostIdle = std::int64_t{256} << 20;

/// Bytes of one row that the backward pass keeps.
struct Kept {
  double blocks = 0;         ///< of all blocks
  double largest_block = 0;  ///< of one
  double inputs = 0;         ///< of all blocks, what checkpointing keeps of them
  double rest = 0;           ///< before the first block
};

template <class Tower>
Kept transformer(const Tower& tower, double positions, const KeptParts& parts, bool pools_one_row, double wide, double narrow,
                 double mask) {
  Kept kept;
  const double width = tower.hidden_size;
  kept.rest = 2 * positions * width * wide * parts.graph;  // embeddings, and their norm or sum
  for (int layer = 0; layer < tower.num_hidden_layers; ++layer) {
    const double neurons = intermediate_of(tower.intermediate_size, layer);
    const double mixed = static_cast<double>(heads_of(tower, layer)) * tower.hidden_size / tower.num_attention_heads;
    // The residual stream is float32; attention's weights are computed again.
    const double read = narrow + mask;  // an input that is rounded as int8: with what was cut off of it
    double block = positions * (2 * parts.graph * width * wide +
                                narrow * parts.graph * (3 * mixed + neurons) +
                                read * (parts.context * mixed + (parts.attention_in + parts.mlp_in) * width + parts.hidden * neurons));
    kept.largest_block = std::max(kept.largest_block, block);
    if (pools_one_row && layer + 1 == tower.num_hidden_layers)
      block = positions * width * (parts.graph * (wide + 2 * narrow) + parts.attention_in * narrow);
    kept.blocks += block;
    kept.inputs += positions * width * wide;
    positions -= merged_in(tower, layer);
  }
  return kept;
}

Kept resnet(const VisionConfig& tower, double bytes) {
  Kept kept;
  double height = tower.image_height / 4.0, width = tower.image_width / 4.0;  // behind stem and pooling
  kept.rest = 2 * 4 * height * width * tower.embedding_size + height * width * tower.embedding_size;
  double in = tower.embedding_size;
  std::size_t index = 0;
  for (std::size_t stage = 0; stage < tower.hidden_sizes.size(); ++stage) {
    const double out = tower.hidden_sizes[stage];
    for (int i = 0; i < tower.depths[stage]; ++i, ++index) {
      const auto [first, second] = inner_sizes_of(tower, stage, index);
      const bool halves = i == 0 && stage > 0;
      const double before = height * width;
      if (halves) height /= 2, width /= 2;
      // 1x1 before a stride, 3x3 and 1x1 behind it; the first block's input is projected.
      const double block = 2 * (before * first + height * width * (second + out + (i == 0 ? out : 0))) +
                           height * width * out;
      kept.blocks += block;
      kept.largest_block = std::max(kept.largest_block, block);
      kept.inputs += before * in;
      in = out;
    }
  }
  for (double* part : {&kept.blocks, &kept.largest_block, &kept.inputs, &kept.rest}) *part *= bytes;
  return kept;
}

double activation_bytes(const Kept& kept, bool checkpointing) {
  return kept.rest + (checkpointing ? kept.inputs + kept.largest_block : kept.blocks);
}

/// "3.20 GiB", "170 MiB".
std::string size_text(std::int64_t bytes) {
  const double mib = static_cast<double>(bytes) / kMiB;
  return mib >= 1024 ? fmt::format("{:.2f} GiB", mib / 1024) : fmt::format("{:.0f} MiB", mib);
}

}  // namespace

std::int64_t MemoryEstimate::total() const {
  return resident + weights + gradients + moments + average + image_activations + text_activations + copies + teacher + loader + idle -
         in_turn;
}

MemoryEstimate estimate_memory(const TrainOptions& options, const MemoryInputs& inputs) {
  const VisionConfig& vision = options.model.vision;
  const TextConfig& text = options.model.text;
  MemoryEstimate e;
  e.resident = inputs.resident_bytes;
  e.weights = inputs.weight_bytes;
  e.gradients = inputs.trained_values * kFloat;
  e.moments = 2 * inputs.trained_values * kFloat;
  if (options.average.decay > 0) e.average = inputs.trained_values * kFloat;

  const double wide = kFloat, narrow = inputs.bf16 ? kFloat / 2 : kFloat;
  const double batch = static_cast<double>(options.batch) / inputs.world,
               rows = options.micro_batch > 0 ? std::min<double>(options.micro_batch, batch) : batch,
               views = options.losses.self_supervision.weight > 0 ? 2 : 1;
  double positions = 0;
  const double mask = options.quantization_aware.enabled ? 1 : 0;
  const bool is_vit = vision.model_type == "vit";
  if (is_vit)
    positions = static_cast<double>(vision.image_height / vision.patch_size) *
                    (vision.image_width / vision.patch_size) +
                (vision.pooling == "class" ? 1 : 0);
  const bool pools_one_token = text.model_type == "clip_text" || text.mask_pooling == "cls";
  // Of a ResNet under bf16 convolutions are narrow, norms are not.
  const Kept images = is_vit ? transformer(vision, positions, inputs.image, vision.pooling == "class", wide, narrow, mask)
                             : resnet(vision, (wide + narrow) / 2),
             captions = transformer(text, 1, inputs.text, pools_one_token, wide, narrow, mask);
  // Captions are computed as long as they are: their mean, and what a batch has above it by chance.
  const double longest = text.max_position_embeddings,
               tokens = std::min(rows * longest, rows * inputs.tokens + 2 * inputs.tokens_deviation * std::sqrt(rows));
  const double pixels = 3.0 * vision.image_height * vision.image_width;
  e.image_activations = static_cast<std::int64_t>(
      rows * views * (activation_bytes(images, options.gradient_checkpointing) + kFloat * pixels));
  e.text_activations = static_cast<std::int64_t>(tokens * activation_bytes(captions, options.gradient_checkpointing));
  e.copies = inputs.table_values * kFloat;
  if (options.quantization_aware.enabled) e.copies += inputs.rounded_values * kFloat;
  if (inputs.bf16)
    e.copies += inputs.wide_values * kFloat / 2 / (options.gradient_checkpointing ? std::max(1, text.num_hidden_layers) : 1);
  e.teacher = inputs.teacher_bytes;
  e.loader = static_cast<std::int64_t>((options.loading.queue + 1) * batch * views * pixels * kFloat);
  if (rows == batch) e.in_turn = std::min(e.gradients, e.image_activations + e.text_activations) / 2;
  e.idle = kLeastIdle + std::min(e.gradients, kMostIdle - kLeastIdle);
  return e;
}

std::string describe(const MemoryEstimate& e, int pairs) {
  return fmt::format(
      "memory: about {} (process {}, weights {}, gradients and moments {}, activations of {} pairs {} of "
      "images and {} of "
      "captions, copies {}, loading {}{}, kept for the next step {})",
      size_text(e.total()), size_text(e.resident), size_text(e.weights),
      size_text(e.gradients + e.moments + e.average), pairs, size_text(e.image_activations),
      size_text(e.text_activations), size_text(e.copies), size_text(e.loader),
      e.teacher > 0 ? ", teacher's embeddings " + size_text(e.teacher) : "", size_text(e.idle));
}

std::string memory_warning(const MemoryEstimate& e, const TrainOptions& options, std::int64_t usable) {
  if (usable <= 0 || e.total() <= usable) return {};
  std::vector<std::string> remedies;
  if (options.micro_batch == 0)
    remedies.push_back(fmt::format("--micro-batch {} (the same gradient)", std::max(1, options.batch / 4)));
  if (!options.gradient_checkpointing) remedies.emplace_back("--gradient-checkpointing");
  if (options.lora_mode == "none") remedies.emplace_back("--lora-mode adapter (fewer moments)");
  remedies.push_back(fmt::format("--batch {}", std::max(2, options.batch / 2)));
  std::string advice;
  for (const auto& remedy : remedies) advice += (advice.empty() ? "" : ", ") + remedy;
  return fmt::format("a step needs about {}, and this process may use {}; less take: {}",
                     size_text(e.total()), size_text(usable), advice);
}

Json to_json(const MemoryEstimate& e) {
  const auto mb = [](std::int64_t bytes) { return static_cast<double>(bytes) / kMiB; };
  return {{"estimated_mb", mb(e.total())},
          {"process_mb", mb(e.resident)},
          {"weights_mb", mb(e.weights)},
          {"gradients_mb", mb(e.gradients)},
          {"moments_mb", mb(e.moments)},
          {"average_mb", mb(e.average)},
          {"image_activations_mb", mb(e.image_activations)},
          {"text_activations_mb", mb(e.text_activations)},
          {"copies_mb", mb(e.copies)},
          {"teacher_mb", mb(e.teacher)},
          {"loader_mb", mb(e.loader)},
          {"idle_mb", mb(e.idle)},
          {"in_turn_mb", -mb(e.in_turn)}};
}

}  // namespace edgeclip
