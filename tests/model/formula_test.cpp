#include <cmath>

#include "model/towers/towers.h"
#include "tiny_clip.h"

/// Full-size models, whose weights are a formula of their names: $EDGECLIP_PARITY/README.md, formula/.
namespace edgeclip {
namespace {

using namespace test;

constexpr double kTolerance = 1e-4, kUnitTolerance = 2e-6;

std::uint64_t fnv1a(const std::string& text) {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (const unsigned char c : text) h = (h ^ c) * 0x100000001b3u;
  return h;
}

/// v of the formula: symmetric in [-a, a).
torch::Tensor signed_values(const std::string& name, const std::vector<std::int64_t>& shape, double a) {
  torch::Tensor out = torch::empty(shape);
  const std::uint64_t h = fnv1a(name);
  float* values = out.data_ptr<float>();
  for (std::int64_t i = 0; i < out.numel(); ++i) {
    std::uint64_t z = h + static_cast<std::uint64_t>(i) + 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    values[i] = static_cast<float>((static_cast<double>(z >> 40) * 0x1p-24 - 0.5) * 2.0 * a);
  }
  return out;
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}
bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

torch::Tensor formula(const std::string& name, const torch::Tensor& like) {
  const std::vector<std::int64_t> shape = like.sizes().vec();
  const std::string leaf = name.substr(name.rfind('.') + 1);
  const double sqrt3 = std::sqrt(3.0);
  const auto one_plus = [&](double a, double factor) {
    return (factor * (1 + signed_values(name, shape, a).to(torch::kDouble))).to(torch::kFloat);
  };
  if (leaf == "num_batches_tracked") return torch::zeros_like(like);
  if (leaf == "logit_scale") return torch::full_like(like, 2.6592);
  if (leaf == "running_var")
    return (1 + signed_values(name, shape, 0.1).to(torch::kDouble).abs()).to(torch::kFloat);
  if (leaf == "running_mean") return signed_values(name, shape, 0.05);
  if (leaf == "bias") return signed_values(name, shape, 0.01);
  if (leaf == "weight" && like.dim() == 1) return one_plus(0.1, ends_with(name, "bn3.weight") ? 0.5 : 1.0);
  if (contains(name, "embedding") && !contains(name, "patch_embedding"))
    return signed_values(name, shape, sqrt3 * (contains(name, "class_embedding") ? 0.5 : 0.2));
  double fan = 1;
  for (std::size_t d = 1; d < shape.size(); ++d) fan *= static_cast<double>(shape[d]);
  return signed_values(name, shape, sqrt3 / std::sqrt(fan));
}

/// prefix: what the module's names have before them in the library's own model.
void fill(torch::nn::Module& module, const std::string& prefix, const Json& shapes) {
  const torch::NoGradGuard no_grad;
  std::size_t filled = 0;
  const auto set = [&](const std::string& name, torch::Tensor& value) {
    ASSERT_TRUE(shapes.contains(prefix + name)) << name;
    ASSERT_EQ(shapes[prefix + name].get<std::vector<std::int64_t>>(), value.sizes().vec()) << name;
    value.copy_(formula(prefix + name, value));
    ++filled;
  };
  for (auto& item : module.named_parameters()) set(item.key(), item.value());
  for (auto& item : module.named_buffers()) set(item.key(), item.value());
  std::size_t ours = 0;
  for (const auto& [name, shape] : shapes.items())
    ours += name.rfind(prefix, 0) == 0 && !ends_with(name, "position_ids") && name.rfind("fc.", 0) != 0;
  EXPECT_EQ(filled, ours);
}

torch::Tensor pixels(const std::string& tag, std::int64_t b, std::int64_t h, std::int64_t w) {
  const std::int64_t rows = (h + 15) / 16, columns = (w + 15) / 16;
  const std::string name = "input." + tag;
  const torch::Tensor offset = signed_values(name + ".offset", {b, 3, 1, 1}, 2.0);
  torch::Tensor blocks = signed_values(name + ".blocks", {b, 3, rows, columns}, 0.5);
  blocks = blocks.repeat_interleave(16, 2).repeat_interleave(16, 3).slice(2, 0, h).slice(3, 0, w);
  return (offset + blocks) + signed_values(name + ".noise", {b, 3, h, w}, 0.2);
}

class Expected {
 public:
  explicit Expected(const std::filesystem::path& path) : file_(path) {}
  ~Expected() { EXPECT_EQ(seen_.size(), file_.names().size()) << "values that nothing was compared with"; }
  void near(const std::string& name, const torch::Tensor& actual, double tolerance) {
    seen_.insert(name);
    EXPECT_LE(max_difference(actual, from_tensor(file_.get(name).view())), tolerance) << name;
  }

 private:
  const SafetensorsFile file_;
  std::set<std::string> seen_;
};

struct ConfigFile {
  ModelConfig model;
  template <class Visitor>
  void fields(Visitor& v) {
    v("model", model, "");
  }
};

ModelConfig config_of(const char* name) {
  return load_options<ConfigFile>({std::string(EDGECLIP_SOURCE_DIR "/configs/model/") + name}, {}).model;
}

torch::Tensor unit(const torch::Tensor& x) { return x / x.norm(2, -1, true); }

TEST(FormulaGolden, ClipVitB32HiddenStateByHiddenState) {
  EDGECLIP_REQUIRE_PARITY(dir, "formula");
  const torch::NoGradGuard no_grad;
  DualEncoder model(config_of("vit_b32.json"));
  fill(*model, "", read_json(dir / "clip_vit_b32.state_dict_shapes.json"));
  model->eval();
  const torch::Tensor image = pixels("shared", 4, 224, 224);
  EXPECT_TRUE(torch::equal(image.flatten(1).slice(1, 0, 64),
                           from_tensor(read_npy(dir / "pixel_values_first64.npy").view())));
  const torch::Tensor ids = from_tensor(read_npy(dir / "clip_input_ids.npy").view());
  Expected expected(dir / "clip_vit_b32.safetensors");
  std::vector<torch::Tensor> vision, text;
  const torch::Tensor image_pooled = model->vision_model->forward(image, ComputeType::f32, &vision);
  const torch::Tensor text_pooled = model->text_model->forward(ids, ComputeType::f32, &text);
  expected.near("image_pooled", image_pooled, kTolerance);
  expected.near("text_pooled", text_pooled, kTolerance);
  expected.near("image_projected", model->visual_projection(image_pooled, ComputeType::f32), kTolerance);
  expected.near("text_projected", model->text_projection(text_pooled, ComputeType::f32), kTolerance);
  const torch::Tensor a = model->encode_image(image), b = model->encode_text(ids);
  expected.near("image_embeds", a, kUnitTolerance);
  expected.near("text_embeds", b, kUnitTolerance);
  expected.near("logits_per_image", torch::matmul(a, b.t()) * model->logit_scale.exp(), kTolerance);
  std::vector<torch::Tensor> cls, end;
  const torch::Tensor at = (ids == 49407).to(torch::kInt).argmax(1);
  for (const auto& state : vision) cls.push_back(state.select(1, 0));
  for (const auto& state : text)
    end.push_back(state.gather(1, at.view({4, 1, 1}).expand({4, 1, 512})).squeeze(1));
  expected.near("vision_hidden_cls", torch::stack(cls), kTolerance);
  expected.near("text_hidden_eot", torch::stack(end), kTolerance);

  // A text computed only as long as it is: the same numbers, exactly under the causal mask.
  const auto row = at.argmin().item<std::int64_t>(), length = at[row].item<std::int64_t>() + 1;
  ASSERT_LT(length, 77);
  EXPECT_LE(max_difference(model->encode_text(ids.slice(0, row, row + 1).slice(1, 0, length)),
                           b.slice(0, row, row + 1)),
            1e-6);
}

TEST(FormulaGolden, ClipVitB16Image) {
  EDGECLIP_REQUIRE_PARITY(dir, "formula");
  const torch::NoGradGuard no_grad;
  ModelConfig config = config_of("vit_b16.json");
  config.text.num_hidden_layers = 1;  // which the golden has none of
  config.text.vocab_size = 100;
  DualEncoder model(config);
  for (auto& item : model->named_parameters()) item.value().copy_(formula(item.key(), item.value()));
  model->eval();
  Expected expected(dir / "clip_vit_b16_image.safetensors");
  const torch::Tensor image = pixels("shared", 4, 224, 224), pooled = model->vision_model->forward(image);
  expected.near("image_pooled", pooled, kTolerance);
  expected.near("image_projected", model->visual_projection(pooled, ComputeType::f32), kTolerance);
  expected.near("image_embeds", unit(model->visual_projection(pooled, ComputeType::f32)), kUnitTolerance);
}

TEST(FormulaGolden, DistilBertBase) {
  EDGECLIP_REQUIRE_PARITY(dir, "formula");
  const torch::NoGradGuard no_grad;
  TextConfig config = config_of("vit_b16_distilbert.json").text;
  config.max_position_embeddings = 512;
  const torch::Tensor ids = from_tensor(read_npy(dir / "distilbert_input_ids.npy").view());
  Expected expected(dir / "distilbert_base.safetensors");
  for (const char* pooling : {"cls", "mean"}) {
    config.mask_pooling = pooling;
    const auto tower = make_text_tower(config);
    fill(*tower, "", read_json(dir / "distilbert_base.state_dict_shapes.json"));
    tower->eval();
    std::vector<torch::Tensor> hidden;
    const torch::Tensor pooled = tower->forward(ids, ComputeType::f32, &hidden);
    if (config.mask_pooling == "mean") {
      expected.near("masked_mean", pooled, kTolerance);
      continue;
    }
    expected.near("last_hidden_cls", pooled, kTolerance);
    std::vector<torch::Tensor> cls;
    for (const auto& state : hidden) cls.push_back(state.select(1, 0));
    expected.near("hidden_cls", torch::stack(cls), kTolerance);
  }
}

TEST(FormulaGolden, ResNet50SquareAndTall) {
  EDGECLIP_REQUIRE_PARITY(dir, "formula");
  const torch::NoGradGuard no_grad;
  VisionConfig config = config_of("resnet50.json").vision;
  const auto mean = [](const torch::Tensor& x) { return x.mean(torch::IntArrayRef{2, 3}); };
  for (const bool tall : {false, true}) {
    config.image_height = tall ? 384 : 224;
    config.image_width = tall ? 128 : 224;
    const auto tower = make_image_tower(config);
    fill(*tower, "", read_json(dir / "resnet50.state_dict_shapes.json"));
    tower->eval();
    std::vector<torch::Tensor> hidden;
    Expected expected(dir / (tall ? "resnet50_384x128.safetensors" : "resnet50.safetensors"));
    const torch::Tensor features = tower->forward(
        tall ? pixels("shared.crop", 2, 384, 128) : pixels("shared", 4, 224, 224), ComputeType::f32, &hidden);
    expected.near("features", features, kTolerance);
    if (tall) {
      expected.near("feature_map_mean_over_width", hidden.back().mean(3), kTolerance);
      continue;
    }
    expected.near("stem_mean", mean(hidden[0]), kTolerance);
    for (std::size_t stage = 1; stage <= 4; ++stage)
      expected.near(fmt::format("layer{}_mean", stage), mean(hidden[stage]), kTolerance);
  }
}

}  // namespace
}  // namespace edgeclip
