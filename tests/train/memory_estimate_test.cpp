#include "train/memory_estimate.h"

#include <gtest/gtest.h>

namespace edgeclip {
namespace {

TrainOptions vit_b32() {
  TrainOptions options;
  VisionConfig& v = options.model.vision;
  v.hidden_size = 768;
  v.num_hidden_layers = 12;
  v.num_attention_heads = 12;
  v.intermediate_size = {3072};
  v.image_height = v.image_width = 224;
  v.patch_size = 32;
  options.batch = 32;
  return options;
}

TEST(MemoryEstimate, ActivationsByTheFormula) {
  TrainOptions options = vit_b32();
  const MemoryEstimate e = estimate_memory(options, {600, 100, 77, false, 50});
  // 11 blocks of 50 positions and what the last keeps of all, the embeddings, and the pixels.
  const double block = 50.0 * (8 * 768 + 2 * 3072);
  EXPECT_EQ(e.image_activations,
            static_cast<std::int64_t>(32 * 4 * (11 * block + 50.0 * 4 * 768 + 2 * 50 * 768 + 3 * 224 * 224)));
  EXPECT_EQ(e.weights, 600);
  EXPECT_EQ(e.gradients, 400);
  EXPECT_EQ(e.moments, 800);
  EXPECT_EQ(e.average, 0);
  EXPECT_EQ(e.copies, 0);
  EXPECT_EQ(e.idle, (64 << 20) + 400);
  EXPECT_EQ(e.in_turn, 200);
  EXPECT_EQ(e.total(), 50 + 600 + 400 + 800 + e.image_activations + e.text_activations + e.loader + e.idle - 200);
  TrainOptions parts = options;
  parts.micro_batch = 8;  // the gradients of the parts before are there
  EXPECT_EQ(estimate_memory(parts, {600, 100, 77, false, 50}).in_turn, 0);
}

TEST(MemoryEstimate, RoundingAsInt8KeepsWeightsAndWhatWasCutOff) {
  TrainOptions options = vit_b32();
  MemoryInputs inputs{600, 100, 77, false, 50};
  inputs.rounded_values = 30;
  inputs.teacher_bytes = 70;
  const MemoryEstimate plain = estimate_memory(options, inputs);
  EXPECT_EQ(plain.copies, 0);
  EXPECT_EQ(plain.teacher, 70);
  options.quantization_aware.enabled = true;
  const MemoryEstimate rounded = estimate_memory(options, inputs);
  EXPECT_EQ(rounded.copies, 120);
  EXPECT_EQ(rounded.image_activations - plain.image_activations, 32 * 11 * 50 * (3 * 768 + 3072));
}

TEST(MemoryEstimate, WhatIsFrozenKeepsNoInputs) {
  MemoryInputs inputs{600, 100, 77, false, 50};
  inputs.image.mlp_in = inputs.image.hidden = 0;  // an adapter of the attention
  const double block = 50.0 * (7 * 768 + 3072);
  EXPECT_EQ(estimate_memory(vit_b32(), inputs).image_activations,
            static_cast<std::int64_t>(32 * 4 * (11 * block + 50.0 * 4 * 768 + 2 * 50 * 768 + 3 * 224 * 224)));
  inputs.image.graph = inputs.image.attention_in = inputs.image.context = 0;
  EXPECT_EQ(estimate_memory(vit_b32(), inputs).image_activations, 32 * 4 * 3 * 224 * 224);
  inputs.wide_values = 1000;
  inputs.table_values = 30;
  EXPECT_EQ(estimate_memory(vit_b32(), inputs).copies, 120);
  inputs.bf16 = true;
  EXPECT_EQ(estimate_memory(vit_b32(), inputs).copies, 120 + 2000);
}

TEST(MemoryEstimate, WhatSavesMemoryShows) {
  const TrainOptions plain = vit_b32();
  const auto images = [](const TrainOptions& options, bool bf16 = false) {
    return static_cast<double>(estimate_memory(options, {0, 0, 77, bf16, 0}).image_activations);
  };
  TrainOptions micro = plain, recomputed = plain, averaged = plain, short_text = plain;
  micro.micro_batch = 8;
  EXPECT_NEAR(images(micro) / images(plain), 0.25, 1e-6);
  recomputed.gradient_checkpointing = true;
  EXPECT_LT(images(recomputed), 0.3 * images(plain));
  EXPECT_LT(images(plain, true), 0.7 * images(plain));
  averaged.average.decay = 0.999;
  EXPECT_EQ(estimate_memory(averaged, {0, 10, 77, false, 0}).average, 40);
  EXPECT_LT(estimate_memory(plain, {0, 0, 20, false, 0}).text_activations,
            estimate_memory(plain, {0, 0, 64, false, 0}).text_activations / 3);
}

TEST(MemoryEstimate, ResnetsKeepTheirConvolutions) {
  TrainOptions options;
  options.model.vision.model_type = "resnet";
  options.model.vision.image_height = options.model.vision.image_width = 224;
  options.batch = 1;
  const double mb =
      static_cast<double>(estimate_memory(options, {0, 0, 8, false, 0}).image_activations) / (1 << 20);
  EXPECT_NEAR(mb, 130, 60);  // some 22 M values of convolutions, nearly twice with the norms
}

TEST(MemoryEstimate, MoreThanTheMachineHasIsSaidWithRemedies) {
  const MemoryEstimate e = estimate_memory(vit_b32(), {600, 100, 77, false, 50});
  EXPECT_EQ(memory_warning(e, vit_b32(), e.total()), "");
  EXPECT_EQ(memory_warning(e, vit_b32(), 0), "") << "a machine that does not tell";
  const std::string warning = memory_warning(e, vit_b32(), e.total() - 1);
  for (const char* part :
       {"--micro-batch 8", "--gradient-checkpointing", "--lora-mode adapter", "--batch 16"})
    EXPECT_NE(warning.find(part), std::string::npos) << warning;
  EXPECT_NE(describe(e, 32).find("activations of 32 pairs"), std::string::npos);
  EXPECT_GT(to_json(e)["estimated_mb"].get<double>(), 0);
}

}  // namespace
}  // namespace edgeclip
