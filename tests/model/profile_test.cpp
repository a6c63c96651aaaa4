#include "model/profile.h"

#include <ATen/record_function.h>

#include "model/config/macs.h"
#include "support/support.h"

namespace edgeclip {
namespace {

using namespace test;

/// Small, of sizes that all differ, with a pruned layer in each transformer.
ModelConfig small_config(const std::string& vision, const std::string& text, const std::string& head) {
  ModelConfig config;
  config.vision.model_type = vision;
  config.vision.image_height = 32;
  config.vision.image_width = 24;
  config.vision.patch_size = 8;
  config.vision.hidden_size = 36;
  config.vision.num_hidden_layers = 2;
  config.vision.intermediate_size = {40, 28};
  config.vision.depths = {2, 1};
  config.vision.hidden_sizes = {16, 24};
  config.vision.embedding_size = 12;
  config.text.model_type = text;
  config.text.vocab_size = 50;
  config.text.hidden_size = 30;
  config.text.num_hidden_layers = 2;
  config.text.intermediate_size = {44, 20};
  config.text.max_position_embeddings = 11;
  config.visual_projection.model_type = config.text_projection.model_type = head;
  config.projection_dim = 14;
  return config;
}

DualEncoder small_model(const ModelConfig& config) {
  DualEncoder model(config);
  model->eval();
  return model;
}

std::vector<ModelConfig> all_small_configs() {
  std::vector<ModelConfig> configs;
  for (const char* vision : {"vit", "resnet"})
    for (const char* text : {"clip_text", "distilbert"})
      for (const char* head : {"linear", "mlp"}) configs.push_back(small_config(vision, text, head));
  // What pruning leaves: heads of some layers, channels inside blocks.
  configs.push_back(small_config("vit", "clip_text", "linear"));
  configs.back().vision.layer_heads = {1, 3};
  configs.back().text.layer_heads = {2, 1};
  configs.push_back(small_config("resnet", "distilbert", "linear"));
  configs.back().vision.hidden_sizes = {15, 22};
  configs.back().vision.inner_sizes = {3, 4, 5, 2, 7, 6};
  configs.back().text.layer_heads = {1, 3};
  // ResNet's roundings: sides that are no multiples of its strides.
  configs.push_back(small_config("resnet", "clip_text", "linear"));
  configs.back().vision.image_height = 37;
  configs.back().vision.image_width = 18;
  return configs;
}

std::string description(const ModelConfig& config) {
  return config.vision.model_type + " " + config.text.model_type + " " + config.text_projection.model_type;
}

/// MACs of the matrix products that LibTorch itself runs, of the sizes it is given.
class MacCounter {
 public:
  MacCounter() {
    macs = 0;
    handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(&count, &finish).needsInputs(true));
  }
  ~MacCounter() { at::removeCallback(handle_); }

  static inline std::int64_t macs = 0;

 private:
  // baddbmm may call addmm_ for each of its matrices, which must not count again.
  static inline int batched = 0;
  static bool is_batched(const at::RecordFunction& call) {
    return std::string(call.name()) == "aten::bmm" || std::string(call.name()) == "aten::baddbmm";
  }
  static void finish(const at::RecordFunction& call, at::ObserverContext*) { batched -= is_batched(call); }

  static std::unique_ptr<at::ObserverContext> count(const at::RecordFunction& call) {
    const std::string name = call.name();
    const auto size = [&](std::size_t input, std::int64_t dim) {
      return call.inputs()[input].toTensor().size(dim);
    };
    if (name == "aten::mm") macs += size(0, 0) * size(0, 1) * size(1, 1);
    batched += is_batched(call);
    if (name == "aten::addmm" || (name == "aten::addmm_" && batched == 0))
      macs += size(1, 0) * size(1, 1) * size(2, 1);
    if (name == "aten::bmm") macs += size(0, 0) * size(0, 1) * size(0, 2) * size(1, 2);
    if (name == "aten::baddbmm") macs += size(1, 0) * size(1, 1) * size(1, 2) * size(2, 2);
    if (name == "aten::convolution") macs += convolution(call);
    return nullptr;
  }

  /// (input, weight, bias, stride, padding, ...)
  static std::int64_t convolution(const at::RecordFunction& call) {
    const torch::Tensor input = call.inputs()[0].toTensor(), weight = call.inputs()[1].toTensor();
    const auto stride = call.inputs()[3].toIntVector(), padding = call.inputs()[4].toIntVector();
    std::int64_t macs = input.size(0) * weight.numel();
    for (const std::size_t i : {0, 1}) {
      const auto d = static_cast<std::int64_t>(i) + 2;
      const std::int64_t pad = padding[i % padding.size()], step = stride[i % stride.size()];
      macs *= (input.size(d) + 2 * pad - weight.size(d)) / step + 1;
    }
    return macs;
  }

  at::CallbackHandle handle_;
};

std::int64_t image_macs_run(DualEncoder& model, int batch) {
  const torch::NoGradGuard no_grad;
  const VisionConfig& config = model->config.vision;
  const MacCounter counter;
  std::vector<torch::Tensor> hidden;  // asked for, so that all rows of the last block are computed
  const torch::Tensor pooled = model->vision_model->forward(
      torch::rand({batch, 3, config.image_height, config.image_width}), ComputeType::f32, &hidden);
  model->visual_projection(pooled, ComputeType::f32);
  return MacCounter::macs;
}

std::int64_t text_macs_run(DualEncoder& model, int batch, int tokens) {
  const torch::NoGradGuard no_grad;
  const MacCounter counter;
  const TextConfig& text = model->config.text;
  torch::Tensor ids = torch::full({batch, tokens}, text.bos_token_id, torch::kLong);
  ids.select(1, tokens - 1).fill_(text.eos_token_id);  // captions as long as the batch
  std::vector<torch::Tensor> hidden;
  model->text_projection(model->text_model->forward(ids, ComputeType::f32, &hidden), ComputeType::f32);
  return MacCounter::macs;
}

void expect_macs_as_run(DualEncoder& model, const std::string& what) {
  for (const int batch : {1, 3}) {
    const ModelProfile profile = profile_model(model, batch, /*tokens=*/7);
    EXPECT_GT(profile.image_macs, 0) << what;
    EXPECT_EQ(profile.image_macs, image_macs_run(model, batch)) << what;
    EXPECT_EQ(profile.text_macs, text_macs_run(model, batch, 7)) << what;
  }
}

std::int64_t numel_of(const DualEncoder& model, bool trainable_alone) {
  std::int64_t sum = 0;
  for (const auto& item : model->named_parameters())
    if (!trainable_alone || item.value().requires_grad()) sum += item.value().numel();
  return sum;
}

const ModuleProfile& row_of(const ModelProfile& profile, const std::string& name) {
  for (const ModuleProfile& row : profile.rows)
    if (row.name == name) return row;
  ADD_FAILURE() << "no row " << name;
  return profile.total;
}

TEST(Profile, FollowsFromTheConfigurationOfAVit) {
  int seen = 0;
  for (ModelConfig& config : all_small_configs()) {
    if (config.vision.model_type != "vit") continue;
    for (const auto& merging : std::vector<std::vector<int>>{{}, {2}, {5, 0}}) {
      config.vision.token_merging = merging;
      for (const char* pooling : {"class", "mean"}) {
        config.vision.pooling = pooling;
        EXPECT_EQ(vit_macs(config), profile_model(small_model(config), 1, 4).image_macs);
        ++seen;
      }
    }
  }
  EXPECT_GE(seen, 30);
}

TEST(Profile, EveryParameterAndBufferStandsInOneRow) {
  for (const ModelConfig& config : all_small_configs()) {
    const DualEncoder model = small_model(config);
    const ModelProfile profile = profile_model(model, 1, 11);
    std::map<std::string, ModuleProfile> rows;
    for (const ModuleProfile& row : profile.rows)
      EXPECT_TRUE(rows.emplace(row.name, row).second) << row.name << " twice";
    std::int64_t parameters = 0, buffers = 0, bytes = 0, macs = 0;
    for (const auto& [name, row] : rows) {
      parameters += row.parameters;
      buffers += row.buffers;
      bytes += row.bytes;
      macs += row.macs;
      EXPECT_EQ(row.trainable, row.parameters) << name;
    }
    EXPECT_EQ(parameters, numel_of(model, false)) << description(config);
    EXPECT_EQ(parameters, profile.total.parameters);
    std::int64_t buffers_held = 0, buffer_bytes = 0;
    for (const auto& item : model->named_buffers()) {
      buffers_held += item.value().numel();
      buffer_bytes += static_cast<std::int64_t>(item.value().nbytes());
    }
    EXPECT_EQ(buffers, buffers_held);
    EXPECT_EQ(bytes, 4 * parameters + buffer_bytes);
    EXPECT_EQ(bytes, profile.total.bytes);
    EXPECT_EQ(macs, profile.image_macs + profile.text_macs);
    EXPECT_EQ(profile.as_type.at("fp16"), 2 * parameters);
  }
}

TEST(Profile, RowsAreOfTheirModules) {
  const DualEncoder model = small_model(small_config("resnet", "distilbert", "mlp"));
  const ModelProfile profile = profile_model(model, 1, 11);
  const auto below = [&](const std::vector<std::string>& prefixes) {
    std::int64_t sum = 0;
    for (const auto& item : model->named_parameters())
      for (const auto& prefix : prefixes)
        if (item.key().rfind(prefix, 0) == 0) sum += item.value().numel();
    return sum;
  };
  const auto expect = [&](const std::string& row, const std::vector<std::string>& prefixes) {
    EXPECT_EQ(row_of(profile, row).parameters, below(prefixes)) << row;
  };
  expect("vision_model.stem", {"vision_model.conv1.", "vision_model.bn1."});
  expect("vision_model.layer1.1", {"vision_model.layer1.1."});
  expect("vision_model.layer2.0", {"vision_model.layer2.0."});
  expect("visual_projection", {"visual_projection."});
  expect("text_model.embeddings", {"text_model.embeddings."});
  const std::string block = "text_model.transformer.layer.1.";
  expect(block + "attention", {block + "attention.", block + "sa_layer_norm."});
  expect(block + "ffn", {block + "ffn.", block + "output_layer_norm."});
  expect("logit_scale", {"logit_scale"});
}

TEST(Profile, CountsTheMacsThatLibTorchRuns) {
  for (const ModelConfig& config : all_small_configs()) {
    DualEncoder model = small_model(config);
    expect_macs_as_run(model, description(config));
  }
}

TEST(Profile, CountsATinyVitByHand) {
  const ModelProfile profile = profile_model(small_model(small_config("vit", "clip_text", "linear")), 2, 5);
  // 32x24 pixels in patches of 8: 12 patches, 13 positions; width 36.  Two images.
  EXPECT_EQ(row_of(profile, "vision_model.embeddings").macs, 2 * 12 * (3 * 8 * 8) * 36);
  EXPECT_EQ(row_of(profile, "vision_model.encoder.layers.0.self_attn").macs,
            2 * (4 * 13 * 36 * 36 + 2 * 13 * 13 * 36));
  EXPECT_EQ(row_of(profile, "vision_model.encoder.layers.0.mlp").macs, 2 * 13 * 2 * 36 * 40);
  EXPECT_EQ(row_of(profile, "vision_model.encoder.layers.1.mlp").macs, 2 * 13 * 2 * 36 * 28);
  EXPECT_EQ(row_of(profile, "vision_model.post_layernorm").macs, 0);
  EXPECT_EQ(row_of(profile, "visual_projection").macs, 2 * 36 * 14);
  // Two captions of five tokens; width 30.
  EXPECT_EQ(row_of(profile, "text_model.encoder.layers.1.self_attn").macs,
            2 * (4 * 5 * 30 * 30 + 2 * 5 * 5 * 30));
  EXPECT_EQ(row_of(profile, "text_model.embeddings").macs, 0);
}

TEST(Profile, AgreesWithTheKnownFiguresOfClipVitB32) {
  const std::string file = EDGECLIP_SOURCE_DIR "/configs/model/vit_b32.json";
  ModelConfig config;
  options_from_json(json_at(read_json(file), "model", file), config, file + ": model");
  const ModelProfile profile = profile_model(DualEncoder(config), 1, 77);
  EXPECT_EQ(profile.total.parameters, 151'277'313);  // OpenAI's
  // 49 patches of 3*32*32, 50 positions of width 768: 49 * 3072 * 768 for the patches; in each of 12 blocks
  // 50 * (4 * 768^2 + 2 * 768 * 3072) and 2 * 50^2 * 768 for attention; 768 * 512 for the projection.
  EXPECT_EQ(profile.image_macs, 115'605'504 + 12L * (353'894'400 + 3'840'000) + 393'216);
  EXPECT_EQ(profile.image_macs, 4'408'811'520);
  // 12 * (77 * (4 * 512^2 + 2 * 512 * 2048) + 2 * 77^2 * 512) + 512 * 512
  EXPECT_EQ(profile.text_macs, 12L * (242'221'056 + 6'071'296) + 262'144);
}

TEST(Profile, AgreesWithTheKnownFiguresOfResNet50) {
  ModelConfig config = small_config("resnet", "clip_text", "linear");
  config.vision = VisionConfig();
  config.vision.model_type = "resnet";
  config.vision.image_height = config.vision.image_width = 224;
  const ModelProfile profile = profile_model(DualEncoder(config), 1, 11);
  std::int64_t parameters = 0, macs = 0;
  for (const ModuleProfile& row : profile.rows)
    if (row.name.rfind("vision_model.", 0) == 0) {
      parameters += row.parameters;
      macs += row.macs;
    }
  // torchvision says 25,557,032 and 4.089 G (a MAC counted once), both with its classifier of 2048x1000 +
  // 1000.
  EXPECT_EQ(parameters, 25'557'032 - (2048 * 1000 + 1000));
  EXPECT_EQ(macs, 4'089'184'256 - 2048 * 1000);
}

TEST(Profile, AdaptersCostUntilTheyAreMerged) {
  DualEncoder model = small_model(small_config("vit", "clip_text", "linear"));
  const ModelProfile before = profile_model(model, 3, 7);
  LoraOptions options;
  options.rank = 4;
  options.target_modules = {"q_proj", "fc2"};
  model->attach_lora(options);
  const ModelProfile with = profile_model(model, 3, 7);
  // (r, in) and (out, r) of q_proj and fc2, in both layers.
  const std::int64_t vision = 4 * (2 * (36 + 36) + (40 + 36) + (28 + 36));
  const std::int64_t text = 4 * (2 * (30 + 30) + (44 + 30) + (20 + 30));
  EXPECT_EQ(with.total.parameters, before.total.parameters + vision + text);
  EXPECT_EQ(with.total.trainable, vision + text);
  EXPECT_EQ(with.total.trainable, numel_of(model, true));
  EXPECT_EQ(with.image_macs, before.image_macs + 3 * 13 * vision);
  EXPECT_EQ(with.text_macs, before.text_macs + 3 * 7 * text);
  expect_macs_as_run(model, "with LoRA");
  model->adapters.merge();
  EXPECT_EQ(profile_model(model, 3, 7).image_macs, before.image_macs);
  expect_macs_as_run(model, "merged");
}

TEST(Profile, TellsTheTypesThatWeightsAreHeldIn) {
  DualEncoder model = small_model(small_config("resnet", "clip_text", "linear"));
  const ModelProfile before = profile_model(model, 1, 7);
  EXPECT_EQ(before.stored.at("float32") + before.stored.at("int64"), before.total.bytes);
  EXPECT_EQ(before.stored.count("bfloat16"), 0U);
  model->attach_lora({});
  const ModelProfile with = profile_model(model, 1, 7);
  model->adapters.store_base(torch::kBFloat16);
  const ModelProfile half = profile_model(model, 1, 7);
  std::int64_t narrowed = 0;
  for (const auto& item : model->named_parameters())
    if (item.value().scalar_type() == torch::kBFloat16) narrowed += item.value().numel();
  EXPECT_GT(narrowed, 0);
  EXPECT_EQ(half.stored.at("bfloat16"), 2 * narrowed);
  EXPECT_EQ(half.stored.at("float32"), with.stored.at("float32") - 4 * narrowed);
  EXPECT_EQ(half.total.bytes, with.total.bytes - 2 * narrowed);
  EXPECT_EQ(half.as_type, with.as_type);
}

TEST(Profile, WritesItAllAsJson) {
  const ModelProfile profile = profile_model(small_model(small_config("vit", "distilbert", "mlp")), 2, 5);
  const Json json = to_json(profile);
  EXPECT_EQ(json["batch"], 2);
  EXPECT_EQ(json["tokens"], 5);
  EXPECT_EQ(json["parameters"]["total"], profile.total.parameters);
  EXPECT_EQ(json["parameters"]["trainable"], profile.total.parameters);
  EXPECT_EQ(json["macs"]["image"], profile.image_macs);
  EXPECT_EQ(json["flops"]["text"], 2 * profile.text_macs);
  EXPECT_EQ(json["bytes"]["stored"]["float32"], 4 * profile.total.parameters);
  EXPECT_EQ(json["bytes"]["int8"], profile.total.parameters);
  ASSERT_EQ(json["modules"].size(), profile.rows.size());
  EXPECT_EQ(json["modules"][0]["name"], "vision_model.embeddings");
  EXPECT_EQ(json["modules"][0]["flops"], 2 * profile.rows[0].macs);
}

TEST(Profile, RefusesWhatTheModelCannotTake) {
  DualEncoder model = small_model(small_config("resnet", "clip_text", "linear"));
  const auto refusal = [&](int batch, int tokens) {
    return invalid_input_of([&] { profile_model(model, batch, tokens); });
  };
  EXPECT_NE(refusal(0, 5).find("batch"), std::string::npos);
  EXPECT_NE(refusal(1, 0).find("1 to 11"), std::string::npos);
  EXPECT_NE(refusal(1, 12).find("1 to 11"), std::string::npos);
  ModelConfig vast = small_config("resnet", "clip_text", "linear");  // no weight depends on the image's size
  vast.vision.image_height = vast.vision.image_width = 16384;
  model = small_model(vast);
  EXPECT_NE(refusal(std::numeric_limits<int>::max(), 5).find("2^53"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip
