#include "model/towers/towers.h"

#include "model/config/tower_kinds.h"
#include "model/projection.h"
#include "tiny_clip.h"

namespace edgeclip {
namespace {

using namespace test;
namespace fs = std::filesystem;

VisionConfig narrow_resnet() {
  VisionConfig config;
  config.model_type = "resnet";
  config.depths = {1, 1, 1, 1};
  config.hidden_sizes = {16, 32, 48, 64};
  config.embedding_size = 8;
  config.image_height = 96;
  config.image_width = 48;
  return config;
}

TextConfig small_distilbert() {
  TextConfig config;
  config.model_type = "distilbert";
  config.vocab_size = 300;
  config.max_position_embeddings = 24;
  config.hidden_size = 32;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.intermediate_size = {64};
  config.dropout = config.attention_dropout = 0;
  config.bos_token_id = 101;
  config.eos_token_id = 102;
  return config;
}

/// Parameters and buffers by the names of the tower's own library; what the file has besides is an error.
void load(torch::nn::Module& tower, const fs::path& path) {
  const torch::NoGradGuard no_grad;
  const SafetensorsFile file(path);
  std::size_t loaded = 0;
  for (auto& item : tower.named_parameters()) item.value().copy_(tensor_of(file, item.key())), ++loaded;
  for (auto& item : tower.named_buffers()) item.value().copy_(tensor_of(file, item.key())), ++loaded;
  EXPECT_EQ(loaded, file.names().size());
}

/// 1e-5 + 1e-4 of the largest value.
void expect_close(const torch::Tensor& actual, const torch::Tensor& wanted, const std::string& name) {
  ASSERT_TRUE(actual.defined()) << name;
  EXPECT_LE(max_difference(actual, wanted), 1e-5 + 1e-4 * wanted.abs().max().item<double>()) << name;
}

void expect_gradients(torch::nn::Module& tower, const SafetensorsFile& golden) {
  const auto parameters = tower.named_parameters();
  std::size_t compared = 0;
  for (const auto& name : golden.names()) {
    if (name.rfind("grad.", 0) != 0) continue;
    ++compared;
    const torch::Tensor* parameter = parameters.find(name.substr(5));
    ASSERT_TRUE(parameter) << name;
    if (name.find("k_lin.bias") != std::string::npos)
      EXPECT_LE(max_difference(parameter->grad(), tensor_of(golden, name)), 1e-4) << name;
    else
      expect_close(parameter->grad(), tensor_of(golden, name), name);
  }
  EXPECT_EQ(compared, parameters.size());
}

TEST(Towers, EveryKindOfAConfigurationIsBuilt) {
  EXPECT_EQ(image_tower_names(), vision_kind_names());
  EXPECT_EQ(text_tower_names(), text_kind_names());
}

TEST(Towers, NameWhatCanBePruned) {
  const auto vit = make_image_tower(tiny_config().vision);
  const auto names = [](const std::vector<PruneGroup>& groups) {
    std::vector<std::string> list;
    for (const PruneGroup& group : groups) list.push_back(std::string(prune_kind_name(group.kind)) + " " + group.name);
    return list;
  };
  EXPECT_EQ(names(vit->prune_groups("vision_model", 1)),
            (std::vector<std::string>{"heads vision_model.encoder.layers.0.self_attn", "neurons vision_model.encoder.layers.0.mlp",
                                      "heads vision_model.encoder.layers.1.self_attn", "neurons vision_model.encoder.layers.1.mlp"}));
  EXPECT_EQ(names(make_text_tower(small_distilbert())->prune_groups("t", 1))[1], "neurons t.transformer.layer.0.ffn");
  const auto channels = names(make_image_tower(narrow_resnet())->prune_groups("vision_model", 1));
  EXPECT_EQ(channels.front(), "channels vision_model.layer1.0.conv1");
  EXPECT_NE(std::find(channels.begin(), channels.end(), "channels vision_model.conv1"), channels.end()) << "the stem's";
  EXPECT_EQ(channels.back().rfind("channels vision_model.layer", 0), 0u) << "the last stage's";
}

class ResNetMode : public testing::TestWithParam<bool> {};

TEST_P(ResNetMode, OutputsGradientsAndStatisticsAreTorchvisions) {
  const bool training = GetParam();
  for (const bool recompute : {false, true}) {
    const auto tower = make_image_tower(narrow_resnet());
    load(*tower, golden("tiny_towers/resnet/model.safetensors"));
    tower->train(training);
    tower->recompute_blocks(recompute);
    const SafetensorsFile expected(
        golden(training ? "tiny_towers/resnet.train.safetensors" : "tiny_towers/resnet.eval.safetensors"));
    const torch::Tensor out =
        tower->forward(from_tensor(read_npy(golden("tiny_towers/resnet_pixels.npy")).view()));
    expect_close(out, tensor_of(expected, "out.features"), "features");
    (out * tensor_of(expected, "cotangent.features")).sum().backward();
    expect_gradients(*tower, expected);
    const auto buffers = tower->named_buffers();
    for (const auto& name : expected.names())
      if (name.rfind("buffer_after.", 0) == 0)
        expect_close(buffers[name.substr(13)], tensor_of(expected, name), name);
  }
}
INSTANTIATE_TEST_SUITE_P(Modes, ResNetMode, testing::Bool(),
                         [](const auto& info) { return info.param ? "train" : "eval"; });

TEST(ResNet, AFrozenOneKeepsItsStatistics) {
  const auto tower = make_image_tower(narrow_resnet());
  load(*tower, golden("tiny_towers/resnet/model.safetensors"));
  for (auto& parameter : tower->parameters()) parameter.requires_grad_(false);
  const torch::Tensor pixels = from_tensor(read_npy(golden("tiny_towers/resnet_pixels.npy")).view());
  tower->eval();
  const torch::Tensor wanted = tower->forward(pixels);
  tower->train();
  EXPECT_TRUE(torch::equal(tower->forward(pixels), wanted));
  EXPECT_EQ(tower->named_buffers()["bn1.num_batches_tracked"].item<std::int64_t>(), 0);
}

TEST(DistilBert, OutputsAndGradientsAreHuggingFaces) {
  const SafetensorsFile expected(golden("tiny_towers/distilbert.eval.safetensors"));
  const torch::Tensor ids = from_tensor(read_npy(golden("tiny_towers/distilbert_input_ids.npy")).view());
  const torch::Tensor mask =
      from_tensor(read_npy(golden("tiny_towers/distilbert_attention_mask.npy")).view());
  for (const bool recompute : {false, true}) {
    TextConfig config = small_distilbert();
    const auto cls = make_text_tower(config);
    config.mask_pooling = "mean";
    const auto mean = make_text_tower(config);
    torch::Tensor sum;
    for (const auto& [tower, name] : {std::pair{cls, "cls"}, std::pair{mean, "masked_mean"}}) {
      load(*tower, golden("tiny_towers/distilbert_hf/model.safetensors"));
      tower->recompute_blocks(recompute);
      const torch::Tensor out = tower->forward(ids);
      expect_close(out, tensor_of(expected, std::string("out.") + name), name);
      (out * tensor_of(expected, std::string("cotangent.") + name)).sum().backward();
    }
    EXPECT_TRUE(torch::equal(cls->valid_tokens(ids).to(torch::kInt), mask.to(torch::kInt)));
    // The golden differentiates both outputs together.
    auto parameters = cls->named_parameters();
    for (const auto& item : mean->named_parameters())
      parameters[item.key()].mutable_grad().add_(item.value().grad());
    expect_gradients(*cls, expected);
  }
}

TEST(DistilBert, PaddingChangesNothing) {
  TextConfig config = small_distilbert();
  for (const char* pooling : {"cls", "mean"}) {
    config.mask_pooling = pooling;
    torch::manual_seed(4);
    const auto tower = make_text_tower(config);
    tower->initialize();
    const torch::Tensor row = torch::tensor({101, 7, 9, 102}, torch::kLong).view({1, 4});
    const torch::Tensor padded = torch::constant_pad_nd(row, {0, 9}, 0);
    EXPECT_LE(max_difference(tower->forward(row), tower->forward(padded)), 1e-6) << pooling;
    EXPECT_TRUE(torch::isfinite(tower->forward(torch::zeros({1, 5}, torch::kLong))).all().item<bool>());
    EXPECT_EQ(tower->forward(torch::zeros({0, 5}, torch::kLong)).size(0), 0);
  }
}

TEST(ClipText, FindsTheEndByBothConventions) {
  ModelConfig config = tiny_config();
  torch::manual_seed(6);
  const auto first = make_text_tower(config.text);
  first->initialize();
  config.text.end_pooling = "largest_id";
  const auto largest = make_text_tower(config.text);
  auto to = largest->named_parameters();
  {
    const torch::NoGradGuard no_grad;
    for (const auto& item : first->named_parameters()) to[item.key()].copy_(item.value());
  }
  // 511 ends texts and is the largest id: the same; 505 instead, another convention's end: another row.
  const torch::Tensor ids = torch::tensor({510, 7, 8, 511, 0, 0}, torch::kLong).view({1, 6});
  EXPECT_TRUE(torch::equal(first->forward(ids), largest->forward(ids)));
  EXPECT_TRUE(torch::equal(first->valid_tokens(ids), largest->valid_tokens(ids)));
  EXPECT_EQ(first->valid_tokens(ids).sum().item<int>(), 4);
  const torch::Tensor other = torch::tensor({3, 7, 505, 8}, torch::kLong).view({1, 4});
  EXPECT_FALSE(torch::equal(first->forward(other), largest->forward(other)));
  EXPECT_EQ(largest->valid_tokens(other).sum().item<int>(), 3);
}

TEST(Vit, PoolsTheMeanOfThePatches) {
  ModelConfig config = tiny_config();
  config.vision.pooling = "mean";
  DualEncoder model(config), plain = tiny_model();
  load_weights(model, golden("tiny_clip/model.safetensors"));
  std::vector<torch::Tensor> hidden;
  const torch::Tensor pooled = model->vision_model->forward(tiny_pixels(), ComputeType::f32, &hidden);
  auto& vit = dynamic_cast<VisionTransformer&>(*plain->vision_model);
  const torch::Tensor normed = vit.post_layernorm(hidden.back());  // open_clip: ln_post, then the mean
  EXPECT_LE(max_difference(pooled, normed.narrow(1, 1, normed.size(1) - 1).mean(1)), 1e-6);
}

/// The gradients of all parameters, of the pooled rows times a fixed cotangent.
std::map<std::string, torch::Tensor> tower_gradients(torch::nn::Module& tower, const torch::Tensor& pooled) {
  torch::manual_seed(3);
  for (auto& parameter : tower.parameters()) parameter.mutable_grad().reset();
  (pooled * torch::randn(pooled.sizes())).sum().backward();
  std::map<std::string, torch::Tensor> out;
  for (auto& item : tower.named_parameters())
    if (item.value().grad().defined()) out[item.key()] = item.value().grad().clone();
  return out;
}

/// Pooled rows with hidden states, which all rows of all blocks are computed for, and without.
template <class Tower>
void expect_pooling_alone_is_exact(Tower& tower, const torch::Tensor& in) {
  for (const bool recompute : {false, true}) {
    tower.train();
    tower.recompute_blocks(recompute);
    std::vector<torch::Tensor> hidden;
    const torch::Tensor all = tower.forward(in, ComputeType::f32, &hidden);
    const auto wanted = tower_gradients(tower, all);
    const torch::Tensor alone = tower.forward(in);
    EXPECT_LE(max_difference(alone, all), 2e-6);
    const auto actual = tower_gradients(tower, alone);
    ASSERT_EQ(actual.size(), wanted.size());
    for (const auto& [name, gradient] : wanted)
      EXPECT_LE(max_difference(actual.at(name), gradient),
                1e-5 + 1e-5 * max_difference(gradient, torch::zeros_like(gradient)))
          << name;
  }
}

TEST(Towers, OfTheLastBlockOnlyPooledRowsAreComputed) {
  torch::manual_seed(12);
  ModelConfig config = tiny_config();
  const auto vit = make_image_tower(config.vision);
  vit->initialize();
  expect_pooling_alone_is_exact(*vit, tiny_pixels());
  config.text = small_distilbert();
  const auto bert = make_text_tower(config.text);
  bert->initialize();
  const torch::Tensor ids = torch::randint(1, 290, {5, 9});
  for (int b = 0; b < 5; ++b) ids[b].slice(0, 2 * b + 1).fill_(0);
  expect_pooling_alone_is_exact(*bert, ids);
}

TEST(Towers, CaptionsOfOneBatchAreComputedEachAsLongAsItIs) {
  torch::manual_seed(13);
  ModelConfig config = tiny_config();
  const auto clip = make_text_tower(config.text);
  clip->initialize();
  const int end = config.text.eos_token_id;
  torch::Tensor ids = torch::randint(1, 200, {4, 12});
  for (int b = 0; b < 4; ++b) {
    ids[b][3 * b + 1] = end;
    ids[b].slice(0, 3 * b + 2).fill_(b % 2 == 0 ? 0 : end);  // both ways to pad
  }
  expect_pooling_alone_is_exact(*clip, ids);

  config.text = small_distilbert();
  config.text.mask_pooling = "mean";
  const auto bert = make_text_tower(config.text);
  bert->initialize();
  ids = torch::randint(1, 290, {5, 9});
  for (int b = 0; b < 5; ++b) ids[b].slice(0, 2 * b + 1).fill_(0);
  expect_pooling_alone_is_exact(*bert, ids);
  // Padding in front of a caption's words is hidden as well.
  ids[4][0] = ids[4][3] = 0;
  expect_pooling_alone_is_exact(*bert, ids);
}

TEST(Projection, TheMlpHeadIsLinearActivationLinearResidualNorm) {
  torch::manual_seed(8);
  for (const char* act : {"gelu", "relu"}) {
    ProjectionConfig config;
    config.model_type = "mlp";
    config.hidden_act = act;
    config.dropout = 0.5;
    MlpProjection head(config, 6, 4);
    const torch::Tensor x = torch::randn({3, 6});
    head->eval();
    const torch::Tensor y = torch::linear(x, head->projection->weight, head->projection->bias);
    const torch::Tensor z = torch::linear(std::string(act) == "gelu" ? torch::gelu(y) : torch::relu(y),
                                          head->fc->weight, head->fc->bias);
    const auto run = [&] { return head(x, ComputeType::f32); };
    EXPECT_LE(max_difference(run(), torch::layer_norm(y + z, {4})), 1e-6);
    EXPECT_TRUE(torch::equal(run(), run()));
    head->train();
    EXPECT_FALSE(torch::equal(run(), run()));
  }
}

TEST(DualEncoder, JoinsAnyTowersAndHeads) {
  torch::manual_seed(9);
  for (const bool resnet : {false, true})
    for (const bool bert : {false, true})
      for (const char* head : {"linear", "mlp"}) {
        ModelConfig config = tiny_config();
        if (resnet) config.vision = narrow_resnet();
        if (bert) config.text = small_distilbert();
        config.visual_projection.model_type = config.text_projection.model_type = head;
        DualEncoder model(config);
        initialize_weights(model);
        const auto& v = config.vision;
        const torch::Tensor image = model->encode_image(torch::rand({2, 3, v.image_height, v.image_width}));
        const torch::Tensor text = model->encode_text(torch::randint(1, 290, {2, 7}));
        EXPECT_EQ(image.sizes(), (torch::IntArrayRef{2, config.projection_dim}));
        torch::matmul(image, text.t()).sum().backward();
        const TempDir dir;
        Checkpoint checkpoint;
        checkpoint.config = config;
        checkpoint.model = model;
        save_checkpoint(dir / "c", checkpoint);
        Checkpoint read = load_checkpoint(dir / "c");
        EXPECT_EQ(options_to_json(read.config), options_to_json(config));
        EXPECT_EQ(weights_hash(read.model), weights_hash(model));
      }
}

TEST(DualEncoder, ComputesAsItIsTold) {
  torch::manual_seed(10);
  for (const bool resnet : {false, true})
    for (const bool bert : {false, true})
      for (const char* head : {"linear", "mlp"}) {
        ModelConfig config = tiny_config();
        if (resnet) config.vision = narrow_resnet();
        if (bert) config.text = small_distilbert();
        config.visual_projection.model_type = config.text_projection.model_type = head;
        DualEncoder model(config);
        initialize_weights(model);
        LoraOptions lora;
        lora.target_modules = {"all-linear"};
        model->attach_lora(lora);
        model->eval();  // no dropout
        const auto& v = config.vision;
        const torch::Tensor pixels = torch::rand({2, 3, v.image_height, v.image_width}),
                            ids = torch::randint(1, 290, {2, 7});
        const auto run = [&](ComputeType compute) {
          return torch::cat({model->encode_image(pixels, compute), model->encode_text(ids, compute)});
        };
        const torch::Tensor told = run(ComputeType::bf16), exact = run(ComputeType::f32);
        EXPECT_EQ(told.scalar_type(), torch::kFloat);
        EXPECT_FALSE(torch::equal(told, exact));
        EXPECT_LE(max_difference(told, exact), 0.1);
      }
}

}  // namespace
}  // namespace edgeclip
