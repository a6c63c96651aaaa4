#include "model/quantization/fake_quantization.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "model/checkpoint.h"
#include "model/layer_weights.h"
#include "support/support.h"

namespace edgeclip {
namespace {

const std::vector<std::string> kProjections = {"visual_projection", "text_projection"};

/// Two layers each, tokens merged in the first, heads and neurons pruned.
ModelConfig two_towers() {
  ModelConfig config;
  config.vision.hidden_size = 24;
  config.vision.num_hidden_layers = 2;
  config.vision.num_attention_heads = 3;
  config.vision.intermediate_size = {40, 17};
  config.vision.layer_heads = {3, 2};
  config.vision.image_height = 32;
  config.vision.image_width = 16;
  config.vision.patch_size = 8;
  config.vision.token_merging = {2, 0};
  config.text.vocab_size = 90;
  config.text.hidden_size = 20;
  config.text.num_hidden_layers = 2;
  config.text.num_attention_heads = 2;
  config.text.intermediate_size = {36};
  config.text.max_position_embeddings = 12;
  config.text.bos_token_id = 87;
  config.text.eos_token_id = 88;
  config.projection_dim = 12;
  return config;
}

ModelConfig resnet_tower() {
  ModelConfig config = two_towers();
  config.vision = VisionConfig();
  config.vision.model_type = "resnet";
  config.vision.image_height = 32;
  config.vision.image_width = 16;
  config.vision.embedding_size = 8;
  config.vision.hidden_sizes = {16, 32};
  config.vision.depths = {1, 2};
  return config;
}

DualEncoder random_model(const ModelConfig& config) {
  torch::manual_seed(5);
  DualEncoder model(config);
  initialize_weights(model);
  return model;
}

torch::Tensor some_pixels(std::int64_t batch = 6) {
  torch::manual_seed(6);
  return torch::randn({batch, 3, 32, 16});
}

torch::Tensor some_tokens() {
  torch::manual_seed(7);
  torch::Tensor tokens = torch::randint(0, 87, {6, 12}, torch::kInt64);
  for (std::int64_t row = 0; row < 6; ++row) tokens[row][5 + row] = 88;
  return tokens;
}

/// Sees what goes by once, and has ranges then.
void learn_ranges(FakeQuantization& layers, DualEncoder& model) {
  const torch::NoGradGuard no_grad;
  layers.observe(true);
  model->encode_image(some_pixels());
  model->encode_text(some_tokens());
  layers.observe(false);
  layers.move(layers.seen(), 0.9);
}

TEST(FakeQuantization, ChangesNothingUntilItRounds) {
  for (const ModelConfig& config : {two_towers(), resnet_tower()}) {
    DualEncoder model = random_model(config);
    model->eval();
    const torch::Tensor pixels = some_pixels(), tokens = some_tokens();
    const torch::Tensor image = model->encode_image(pixels), text = model->encode_text(tokens);
    {
      FakeQuantization layers(model, 8, kProjections, "exclude");
      layers.observe(true);
      layers.round(true);  // without ranges
      EXPECT_TRUE(torch::equal(model->encode_image(pixels), image));
      EXPECT_TRUE(torch::equal(model->encode_text(tokens), text));
      layers.move(layers.seen(), 0.9);
      layers.observe(false);
      EXPECT_TRUE(torch::equal(model->encode_image(pixels), image));
      layers.round(true);
      for (const auto& [rounded, exact] : {std::pair(model->encode_image(pixels), image), std::pair(model->encode_text(tokens), text)}) {
        EXPECT_FALSE(torch::equal(rounded, exact));
        EXPECT_GT((rounded * exact).sum(1).min().item<double>(), 0.99);
      }
    }
    EXPECT_TRUE(torch::equal(model->encode_image(pixels), image));
    EXPECT_TRUE(torch::equal(model->encode_text(tokens), text));
  }
}

TEST(FakeQuantization, KnowsEveryLayerOfTheModel) {
  for (ModelConfig config : {two_towers(), resnet_tower()})
    for (const bool mlp : {false, true}) {
      if (mlp) config.visual_projection.model_type = config.text_projection.model_type = "mlp";
      DualEncoder model = random_model(config);
      FakeQuantization layers(model, 8, {}, "exclude");
      learn_ranges(layers, model);
      std::set<std::string> expected, found;
      for (const auto& [name, weights] : layer_weights(*model))
        if (name != "vision_model.conv1.weight" && name.find("patch_embedding") == std::string::npos)
          expected.insert(name.substr(0, name.rfind('.')));
      for (const auto& [name, range] : layers.described().layers) {
        found.insert(name);
        EXPECT_LT(range.low, range.high) << name;
      }
      EXPECT_EQ(found, expected);
    }
}

TEST(FakeQuantization, LeavesOutWhatIsNamedAlone) {
  DualEncoder model = random_model(two_towers());
  const std::string query = "vision_model.encoder.layers.0.self_attn.q_proj";
  FakeQuantization layers(model, 8, {"image:layers.0.self_attn.q_proj", "text:fc1", "text_projection"}, "exclude");
  learn_ranges(layers, model);
  const auto described = layers.described();
  EXPECT_FALSE(described.layers.count(query));
  EXPECT_TRUE(described.layers.count("vision_model.encoder.layers.0.self_attn.k_proj"));
  EXPECT_TRUE(described.layers.count("vision_model.encoder.layers.0.mlp.fc1"));
  EXPECT_FALSE(described.layers.count("text_model.encoder.layers.0.mlp.fc1"));
  EXPECT_TRUE(described.layers.count("visual_projection"));
  layers.round(true);
  model->encode_image(some_pixels());
}

TEST(FakeQuantization, RefusesExclusionsThatFitNothingOrAll) {
  DualEncoder model = random_model(two_towers());
  const std::string nothing = test::invalid_input_of([&] { FakeQuantization(model, 8, {"q_proj", "text:q_prjo"}, "quantization_aware.exclude"); });
  EXPECT_NE(nothing.find("quantization_aware.exclude: \"text:q_prjo\" is in the name of no weights"), std::string::npos) << nothing;
  const std::string all = test::invalid_input_of([&] { FakeQuantization(model, 8, {"weight"}, "quantization_aware.exclude"); });
  EXPECT_NE(all.find("leaves no layer"), std::string::npos) << all;
}

TEST(FakeQuantization, MovesRangesByTheirAverage) {
  DualEncoder model = random_model(two_towers());
  FakeQuantization layers(model, 8, kProjections, "exclude");
  torch::Tensor seen = torch::ones_like(layers.seen());
  EXPECT_FALSE(layers.is_ready());
  layers.move(seen * 2, 0.75);
  EXPECT_TRUE(layers.is_ready());
  EXPECT_TRUE(torch::equal(layers.ranges()[0], torch::tensor({-2.0F, 2.0F})));
  layers.move(seen * 6, 0.75);
  EXPECT_TRUE(torch::equal(layers.ranges()[0], torch::tensor({-3.0F, 3.0F})));
  layers.move(seen * std::numeric_limits<float>::quiet_NaN(), 0.75);
  EXPECT_TRUE(torch::equal(layers.ranges()[0], torch::tensor({-3.0F, 3.0F})));
}

TEST(FakeQuantization, RoundsTheWeightWithTheAdapterInIt) {
  for (const bool dora : {false, true}) {
    DualEncoder model = random_model(two_towers());
    LoraOptions options;
    options.rank = 2;
    options.dora = dora;
    model->attach_lora(options);
    {
      const torch::NoGradGuard no_grad;
      for (auto& parameter : model->parameters())
        if (parameter.requires_grad()) parameter.add_(torch::randn_like(parameter) * 0.1);
    }
    FakeQuantization layers(model, 8, kProjections, "exclude");
    learn_ranges(layers, model);
    layers.round(true);
    model->train();
    const torch::Tensor with_adapter = model->encode_image(some_pixels());
    with_adapter.sum().backward();
    int trained = 0;
    for (const auto& item : model->named_parameters()) {
      if (!item.value().requires_grad() || item.key().rfind("vision_model", 0) != 0) continue;
      ++trained;
      EXPECT_GT(item.value().grad().abs().sum().item<double>(), 0) << item.key();
    }
    EXPECT_GT(trained, 0);
    model->merge_lora();
    EXPECT_LT((model->encode_image(some_pixels()) - with_adapter).abs().max().item<double>(), 1e-6);
  }
}

TEST(FakeQuantization, IsTheSameInBlocksThatAreComputedAgain) {
  DualEncoder model = random_model(two_towers());
  FakeQuantization layers(model, 8, kProjections, "exclude");
  learn_ranges(layers, model);
  layers.round(true);
  layers.observe(true);
  model->train();
  std::vector<torch::Tensor> gradients[2], seen;
  for (const bool recompute : {false, true}) {
    layers.forget();
    model->zero_grad();
    model->recompute_blocks(recompute);
    (model->project_image(some_pixels()).pow(2).sum() + model->project_text(some_tokens()).sum()).backward();
    for (const auto& parameter : model->parameters())
      if (parameter.grad().defined()) gradients[recompute ? 1 : 0].push_back(parameter.grad().clone());
    seen.push_back(layers.seen());
  }
  EXPECT_TRUE(torch::equal(seen[0], seen[1]));
  ASSERT_EQ(gradients[0].size(), gradients[1].size());
  for (std::size_t i = 0; i < gradients[0].size(); ++i) EXPECT_TRUE(torch::equal(gradients[0][i], gradients[1][i]));
}

TEST(FakeQuantization, RoundsInBfloat16) {
  DualEncoder model = random_model(two_towers());
  FakeQuantization layers(model, 8, kProjections, "exclude");
  learn_ranges(layers, model);
  layers.round(true);
  const torch::Tensor narrow = model->encode_image(some_pixels(), ComputeType::bf16), wide = model->encode_image(some_pixels());
  EXPECT_GT((narrow * wide).sum(1).min().item<double>(), 0.995);
}

/// A checkpoint whose model has learned ranges.
Checkpoint learned_checkpoint() {
  Checkpoint checkpoint;
  checkpoint.config = two_towers();
  checkpoint.model = random_model(checkpoint.config);
  FakeQuantization layers(checkpoint.model, 7, kProjections, "exclude");
  learn_ranges(layers, checkpoint.model);
  checkpoint.ranges = layers.described();
  checkpoint.ranges->data = "here/dataset";
  checkpoint.ranges->split = "train";
  checkpoint.ranges->samples = 48;
  checkpoint.ranges->weights = float_weights_hash(checkpoint.model);
  return checkpoint;
}

TEST(QuantizationRanges, GoWithTheWeightsThatHaveThem) {
  const test::TempDir dir;
  Checkpoint checkpoint = learned_checkpoint();
  save_checkpoint(dir / "learned", checkpoint);
  Checkpoint loaded = load_checkpoint(dir / "learned");
  ASSERT_TRUE(has_own_ranges(loaded));
  EXPECT_EQ(loaded.ranges->weight_bits, 7);
  EXPECT_EQ(loaded.ranges->exclude, kProjections);
  EXPECT_EQ(loaded.ranges->data, "here/dataset");
  EXPECT_EQ(loaded.ranges->samples, 48);
  ASSERT_EQ(loaded.ranges->layers.size(), checkpoint.ranges->layers.size());
  for (const auto& [name, range] : checkpoint.ranges->layers) {
    EXPECT_EQ(loaded.ranges->layers.at(name).low, range.low);
    EXPECT_EQ(loaded.ranges->layers.at(name).high, range.high);
  }
  {
    const torch::NoGradGuard no_grad;
    loaded.model->parameters().front().add_(1);
  }
  EXPECT_FALSE(has_own_ranges(loaded));
  save_checkpoint(dir / "changed", loaded);
  EXPECT_FALSE(std::filesystem::exists(dir / "changed" / "quantization.json"));
}

TEST(QuantizationRanges, OfAnEarlierVersionAreRead) {
  const Checkpoint checkpoint = load_checkpoint(test::golden("formats/v1/learned"));
  ASSERT_TRUE(has_own_ranges(checkpoint));
  EXPECT_EQ(checkpoint.ranges->weight_bits, 8);
  EXPECT_EQ(checkpoint.ranges->exclude, kProjections);
  EXPECT_EQ(checkpoint.ranges->layers.size(), 12u);
}

TEST(QuantizationRanges, AreRefusedWhereTheyAreNone) {
  const test::TempDir dir;
  learned_checkpoint().ranges->write(dir / "quantization.json");
  const Json right = read_json(dir / "quantization.json");
  const auto refused = [&](const std::function<void(Json&)>& change, const std::string& expected) {
    Json wrong = right;
    change(wrong);
    std::ofstream(dir / "quantization.json") << wrong.dump();
    const std::string message = test::invalid_input_of([&] { QuantizationRanges::read(dir / "quantization.json"); });
    EXPECT_NE(message.find(expected), std::string::npos) << message;
  };
  refused([](Json& json) { json["format"] = 9; }, "has format 9");
  refused([](Json& json) { json["weight_bits"] = 4; }, "weight_bits");
  refused([](Json& json) { json["layers"]["a"] = {2, 1}; }, "layers.a");
  refused([](Json& json) { json["layers"]["a"] = "wide"; }, "layers.a");
  refused([](Json& json) { json["layers"] = 3; }, "layers");
  refused([](Json& json) { json.erase("weights"); }, "weights");
}

}  // namespace
}  // namespace edgeclip
