#include "export/learned_ranges.h"

#include <onnx/onnx_pb.h>

#include <set>

#include "builder/quantize/qdq_writer.h"
#include "builder/quantize/quant_math.h"
#include "builder/quantize/quantize.h"
#include "model/ops/fake_quantize.h"
#include "model/quantization/fake_quantization.h"
#include "onnx/graph_builder.h"
#include "small_export.h"

namespace edgeclip {
namespace {

using namespace test;

const std::vector<std::string> kProjections = {"visual_projection", "text_projection"};

/// Pruned already; tokens are merged too.
Checkpoint merging_checkpoint() {
  Checkpoint checkpoint = small_checkpoint("quick_gelu", 16);
  checkpoint.config.vision.image_height = 32;
  checkpoint.config.vision.patch_size = 8;
  checkpoint.config.vision.token_merging = {2, 0};
  checkpoint.config.text.vocab_size = 53000;  // a table that becomes int8
  torch::manual_seed(5);
  checkpoint.model = DualEncoder(checkpoint.config);
  initialize_weights(checkpoint.model);
  return checkpoint;
}

Checkpoint resnet_and_distilbert_checkpoint() {
  Checkpoint checkpoint = small_checkpoint("quick_gelu", 16);
  ModelConfig& config = checkpoint.config;
  config.vision = VisionConfig();
  config.vision.model_type = "resnet";
  config.vision.image_height = 32;
  config.vision.image_width = 16;
  config.vision.embedding_size = 8;
  config.vision.hidden_sizes = {16, 32};
  config.vision.depths = {1, 2};
  config.text.model_type = "distilbert";
  config.text.pad_token_id = checkpoint.tokenizer->pad_id();
  config.visual_projection.model_type = "mlp";
  torch::manual_seed(5);
  checkpoint.model = DualEncoder(config);
  initialize_weights(checkpoint.model);
  const torch::NoGradGuard no_grad;
  checkpoint.model->train();  // running statistics that are not 0 and 1
  for (int i = 0; i < 3; ++i) checkpoint.model->encode_image(torch::randn({8, 3, 32, 16}) * 2 + 0.5);
  return checkpoint;
}

struct Samples {
  torch::Tensor pixels, tokens;
};

Samples samples_of(const Checkpoint& checkpoint, std::uint64_t seed, std::int64_t batch = 8) {
  torch::manual_seed(seed);
  const ModelConfig& config = checkpoint.config;
  std::vector<std::string> texts;
  for (std::int64_t i = 0; i < batch; ++i)
    texts.push_back(fmt::format("A {} in a {} coat.", i % 2 ? "man" : "woman", i % 3 == 0 ? "red" : i % 3 == 1 ? "green" : "blue"));
  const Tensor tokens = checkpoint.tokenizer->encode_batch(texts, config.text.max_position_embeddings);
  return {torch::randn({batch, 3, config.vision.image_height, config.vision.image_width}), from_tensor(tokens.view()).to(torch::kInt64)};
}

/// Ranges of what goes by, and what the rounded model gives for other samples.
struct Learned {
  torch::Tensor image, text;
  Samples samples;
};

Learned learn(Checkpoint& checkpoint, const std::vector<std::string>& exclude = kProjections) {
  checkpoint.model->eval();
  const torch::NoGradGuard no_grad;
  FakeQuantization layers(checkpoint.model, 8, exclude, "exclude");
  layers.observe(true);
  for (const std::uint64_t seed : {1, 2}) {
    const Samples samples = samples_of(checkpoint, seed);
    checkpoint.model->encode_image(samples.pixels);
    checkpoint.model->encode_text(samples.tokens);
    layers.move(layers.seen(), 0.5);
  }
  layers.observe(false);
  checkpoint.ranges = layers.described();
  checkpoint.ranges->samples = 16;
  checkpoint.ranges->split = "train";
  checkpoint.ranges->weights = float_weights_hash(checkpoint.model);
  layers.round(true);
  Learned learned;
  learned.samples = samples_of(checkpoint, 3);
  learned.image = checkpoint.model->encode_image(learned.samples.pixels);
  learned.text = checkpoint.model->encode_text(learned.samples.tokens);
  return learned;
}

torch::Tensor run_onnx(const fs::path& file, const torch::Tensor& input, bool reference_kernels) {
  engine::Graph graph = builder::import_onnx(file);
  if (!reference_kernels) builder::optimize(graph);
  engine::SessionOptions options;
  options.reference = reference_kernels;
  const engine::Session session(std::move(graph), options);
  engine::Context context(session);
  const Tensor in = to_tensor(input);
  return from_tensor(context.run({in.view()}).at(0).view()).clone();
}

double worst_cosine(const torch::Tensor& a, const torch::Tensor& b) { return (a * b).sum(1).min().item<double>(); }

builder::QuantizeOptions without_data(const TempDir& dir) {
  builder::QuantizeOptions options;
  options.bundle = (dir / "bundle").string();
  options.out = (dir / "int8").string();
  return options;
}

TEST(LearnedRanges, Int8FilesComputeWhatTheRoundedModelDid) {
  for (const bool families : {false, true})
    for (const int opset : {13, 17}) {
      const TempDir dir;
      Checkpoint checkpoint = families ? resnet_and_distilbert_checkpoint() : merging_checkpoint();
      const Learned learned = learn(checkpoint);
      const Json report = export_to(dir, checkpoint, opset);
      EXPECT_EQ(report["learned_ranges"], true);
      builder::quantize_bundle(without_data(dir));
      for (const bool reference : {true, false}) {
        SCOPED_TRACE(fmt::format("families {}, opset {}, reference kernels {}", families, opset, reference));
        EXPECT_GE(worst_cosine(run_onnx(dir / "int8" / "image.onnx", learned.samples.pixels, reference), learned.image), 0.9999);
        EXPECT_GE(worst_cosine(run_onnx(dir / "int8" / "text.onnx", learned.samples.tokens, reference), learned.text), 0.9999);
      }
      // They are not the same thing as the float model, which rounding moves further than that.
      checkpoint.model->eval();
      const torch::NoGradGuard no_grad;
      EXPECT_LT(worst_cosine(checkpoint.model->encode_image(learned.samples.pixels), learned.image), 0.99999);
    }
}

TEST(LearnedRanges, TheCalibrationIsCompleteAndNothingElseIsDone) {
  const TempDir dir;
  Checkpoint checkpoint = merging_checkpoint();
  learn(checkpoint);
  export_to(dir, checkpoint);
  const Json own = read_json(dir / "bundle" / "calibration.json");
  EXPECT_EQ(own["method"], "training");
  EXPECT_EQ(own["smooth"], 0.0);
  EXPECT_EQ(own["bias_correction"], false);
  EXPECT_EQ(own["exclude"], Json(kProjections));
  for (const char* tower : {"image", "text"}) {
    std::set<std::string> needed, given;
    const auto model = onnx_ir::read_model(dir / "bundle" / (std::string(tower) + ".onnx"));
    for (const auto& product : builder::find_quantizable(model, kProjections))
      needed.insert(product.activation);
    for (const auto& [name, tensor] : own["tensors"][tower].items()) {
      given.insert(name);
      EXPECT_FALSE(tensor.contains("smooth") || tensor.contains("mean")) << name;
    }
    EXPECT_EQ(given, needed);
  }
  builder::quantize_bundle(without_data(dir));
  const auto text = onnx_ir::read_model(dir / "int8" / "text.onnx");
  EXPECT_TRUE(std::any_of(text.graph().initializer().begin(), text.graph().initializer().end(), [](const auto& tensor) {
    return tensor.name() == "text_model.embeddings.token_embedding.weight/quantized";
  }));
  const Json used = read_json(dir / "int8" / "calibration.json");
  EXPECT_EQ(used, own);
  EXPECT_EQ(open_bundle(dir / "int8").precision, "int8");
}

TEST(LearnedRanges, OptionsOfAnotherCalibrationAreRefused) {
  const TempDir dir;
  Checkpoint checkpoint = merging_checkpoint();
  learn(checkpoint);
  export_to(dir, checkpoint);
  builder::QuantizeOptions options = without_data(dir);
  options.exclude = {"fc1"};
  const std::string message = invalid_input_of([&] { builder::quantize_bundle(options); });
  EXPECT_NE(message.find("--exclude"), std::string::npos) << message;
  options = without_data(dir);
  options.smooth = 0.3;
  EXPECT_NE(invalid_input_of([&] { builder::quantize_bundle(options); }).find("--smooth"), std::string::npos);
}

TEST(LearnedRanges, LayersLeftFloatStayFloat) {
  const TempDir dir;
  Checkpoint checkpoint = merging_checkpoint();
  const std::vector<std::string> exclude = {"visual_projection", "text_projection", "image:layers.0.self_attn.q_proj", "text:fc2",
                                            "patch_embedding"};
  const Learned learned = learn(checkpoint, exclude);
  export_to(dir, checkpoint);
  builder::quantize_bundle(without_data(dir));
  EXPECT_GE(worst_cosine(run_onnx(dir / "int8" / "image.onnx", learned.samples.pixels, true), learned.image), 0.9999);
  EXPECT_GE(worst_cosine(run_onnx(dir / "int8" / "text.onnx", learned.samples.tokens, true), learned.text), 0.9999);
  std::set<std::string> names;
  const auto model = onnx_ir::read_model(dir / "int8" / "image.onnx");
  for (const auto& tensor : model.graph().initializer()) names.insert(tensor.name());
  EXPECT_TRUE(names.count("vision_model.encoder.layers.0.self_attn.q_proj.weight"));
  EXPECT_FALSE(names.count("vision_model.encoder.layers.0.self_attn.k_proj.weight"));
}

TEST(LearnedRanges, AnAdapterGoesWithThem) {
  const TempDir dir;
  Checkpoint checkpoint = merging_checkpoint();
  attach_adapter(checkpoint);
  const Learned learned = learn(checkpoint);
  export_to(dir, checkpoint);
  builder::quantize_bundle(without_data(dir));
  EXPECT_GE(worst_cosine(run_onnx(dir / "int8" / "image.onnx", learned.samples.pixels, true), learned.image), 0.9999);
  EXPECT_GE(worst_cosine(run_onnx(dir / "int8" / "text.onnx", learned.samples.tokens, true), learned.text), 0.9999);

  ExportOptions base;
  base.checkpoint = (dir / "checkpoint").string();
  base.out = (dir / "base").string();
  base.adapter = kNoAdapter;
  EXPECT_EQ(export_bundle(base)["learned_ranges"], false);
  EXPECT_FALSE(fs::exists(dir / "base" / "calibration.json"));
}

TEST(LearnedRanges, RoundingIsThatOfQuantize) {
  torch::manual_seed(4);
  for (const torch::Tensor& weights : {torch::randn({7, 33}), torch::randn({5, 3, 4, 4}), torch::zeros({2, 3})})
    for (const int bits : {7, 8}) {
      const auto q = builder::quantize_weights(to_tensor(weights).view(), 0, bits, "weights");
      const torch::Tensor expected = from_tensor(q.values.view()).to(torch::kFloat).flatten(1) * from_tensor(q.scales.view()).unsqueeze(1);
      EXPECT_TRUE(torch::equal(ops::fake_quantize_channels(weights, bits).flatten(1), expected));
    }
  const torch::Tensor x = torch::randn({1000}) * 2;
  const ActivationScale scale = activation_scale(-1.7, 3.1);
  const torch::Tensor y = ops::fake_quantize(x, scale);
  for (std::int64_t i = 0; i < x.numel(); ++i)
    EXPECT_EQ(y.data_ptr<float>()[i], builder::dequantize_value(builder::quantize_value(x.data_ptr<float>()[i], scale), scale));
}

/// A model in which int8 hurts: one channel behind each norm is far larger than the others, which share what steps are left, and the
/// weights that read it are as much smaller, so that it says no more than they do.
Checkpoint hard_checkpoint() {
  Checkpoint checkpoint = small_checkpoint("quick_gelu", 16);
  constexpr float kLarger = 60;
  const torch::NoGradGuard no_grad;
  for (const Transformer& blocks : {checkpoint.model->vision_model->blocks(), checkpoint.model->text_model->blocks()})
    for (std::size_t i = 0; i < blocks->layers->size(); ++i) {
      EncoderLayer layer = blocks->layer(i);
      for (torch::nn::LayerNorm norm : {layer->layer_norm1, layer->layer_norm2}) {
        norm->weight[3] *= kLarger;
        norm->bias[3] *= kLarger;
      }
      for (Linear reader : {layer->self_attn->q_proj, layer->self_attn->k_proj, layer->self_attn->v_proj, layer->mlp->fc1})
        reader->weight.select(1, 3).div_(kLarger);
    }
  return checkpoint;
}

/// 1 - mean cosine of the int8 files' embeddings to `wanted`, on samples that nothing was trained on.
double int8_loss(Checkpoint& checkpoint, const torch::Tensor& image, const torch::Tensor& text) {
  const TempDir dir;
  const Learned learned = learn(checkpoint);
  export_to(dir, checkpoint);
  builder::quantize_bundle(without_data(dir));
  const torch::Tensor to_image = (run_onnx(dir / "int8" / "image.onnx", learned.samples.pixels, false) * image).sum(1),
                      to_text = (run_onnx(dir / "int8" / "text.onnx", learned.samples.tokens, false) * text).sum(1);
  return 1 - (to_image.mean().item<double>() + to_text.mean().item<double>()) / 2;
}

TEST(LearnedRanges, AModelThatLearnedLosesLess) {
  Checkpoint checkpoint = hard_checkpoint(), teacher = hard_checkpoint();
  teacher.model->eval();
  Samples held_out = samples_of(teacher, 3);
  const auto embed = [&](const Samples& samples) {
    const torch::NoGradGuard no_grad;
    return std::pair(teacher.model->encode_image(samples.pixels), teacher.model->encode_text(samples.tokens));
  };
  const auto [image, text] = embed(held_out);
  const double before = int8_loss(checkpoint, image, text);
  {
    FakeQuantization layers(checkpoint.model, 8, kProjections, "exclude");
    torch::optim::Adam optimizer(checkpoint.model->parameters(), torch::optim::AdamOptions(3e-4));
    for (std::uint64_t step = 0; step < 100; ++step) {
      const Samples samples = samples_of(checkpoint, 100 + step, 16);
      const auto [wanted_image, wanted_text] = embed(samples);
      layers.observe(true);
      layers.round(true);
      optimizer.zero_grad();
      const torch::Tensor loss = 2 - (checkpoint.model->encode_image(samples.pixels) * wanted_image).sum(1).mean() -
                                 (checkpoint.model->encode_text(samples.tokens) * wanted_text).sum(1).mean();
      loss.backward();
      optimizer.step();
      layers.move(layers.seen(), 0.9);
    }
  }
  const double after = int8_loss(checkpoint, image, text);
  RecordProperty("before", std::to_string(before));
  RecordProperty("after", std::to_string(after));
  EXPECT_LT(after, 0.5 * before) << before << " -> " << after;
}

}  // namespace
}  // namespace edgeclip
