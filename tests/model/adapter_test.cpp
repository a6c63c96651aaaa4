#include <set>

#include "model/lora/adapter_config.h"
#include "model/lora/adapter_file.h"
#include "model/lora/name_match.h"
#include "tiny_clip.h"

namespace edgeclip {
namespace {

using namespace test;
namespace fs = std::filesystem;

double tolerance_of(const torch::Tensor& golden) { return 1e-5 + 1e-4 * golden.abs().max().item<double>(); }

/// The gradient of what an adapter file calls name.
torch::Tensor gradient_of(const DualEncoder& model, std::string name) {
  name = name.substr(std::string("base_model.model.").size());
  for (const char* part : {".base_layer", ".weight"})
    if (const auto at = name.find(part);
        at != std::string::npos && (part[1] == 'b' || name.find(".lora_") != std::string::npos))
      name.erase(at, std::string(part).size());
  const auto parameters = model->named_parameters();
  const torch::Tensor* parameter = parameters.find(name);
  return parameter ? parameter->grad() : torch::Tensor();
}

void expect_same_files(const fs::path& ours, const fs::path& theirs) {
  const SafetensorsFile a(ours / "adapter_model.safetensors"), b(theirs / "adapter_model.safetensors");
  EXPECT_EQ(std::set<std::string>(a.names().begin(), a.names().end()),
            std::set<std::string>(b.names().begin(), b.names().end()));
  for (const auto& name : b.names())
    EXPECT_TRUE(torch::equal(tensor_of(a, name), tensor_of(b, name))) << name;
  const Json config = read_json(ours / "adapter_config.json"),
             peft = read_json(theirs / "adapter_config.json");
  for (const auto& [key, value] : peft.items()) {
    ASSERT_TRUE(config.contains(key)) << key;
    if (value.is_array())
      EXPECT_EQ(config[key].get<std::set<std::string>>(), value.get<std::set<std::string>>()) << key;
    else
      EXPECT_EQ(config[key], value) << key;
  }
  EXPECT_EQ(config.size(), peft.size());
}

class PeftAdapter : public testing::TestWithParam<const char*> {};

TEST_P(PeftAdapter, ComputesTrainsAndSavesAsPeftDoes) {
  const fs::path folder = golden("adapters") / GetParam();
  const SafetensorsFile expected(golden("adapters") / (std::string(GetParam()) + ".expected.safetensors"));
  DualEncoder model = tiny_model();
  model->adapters.add("default", read_adapter(*model, folder));
  const torch::Tensor image = model->encode_image(tiny_pixels()), text = model->encode_text(tiny_ids());
  EXPECT_LE(max_difference(image, tensor_of(expected, "image_embeds")), 1e-5);
  EXPECT_LE(max_difference(text, tensor_of(expected, "text_embeds")), 1e-5);
  const torch::Tensor loss = contrastive_loss(model);
  EXPECT_NEAR(loss.item<double>(), tensor_of(expected, "loss").item<double>(), 1e-5);
  loss.backward();
  std::size_t compared = 0;
  for (const auto& name : expected.names()) {
    if (name.rfind("grad.", 0) != 0) continue;
    const torch::Tensor actual = gradient_of(model, name.substr(5)), wanted = tensor_of(expected, name);
    ASSERT_TRUE(actual.defined()) << name;
    EXPECT_LE(max_difference(actual, wanted), tolerance_of(wanted)) << name;
    ++compared;
  }
  for (const auto& parameter : model->parameters()) compared -= parameter.requires_grad();
  EXPECT_EQ(compared, 0u) << "as many parameters train as the adapter has tensors";

  const TempDir out;
  write_adapter(model->adapters.adapter(), out.path());
  expect_same_files(out.path(), folder);

  const auto before = model_tensors(model);
  model->adapters.merge();
  EXPECT_LE(max_difference(model->encode_image(tiny_pixels()), image), 1e-5);
  model->adapters.unmerge();
  EXPECT_TRUE(torch::equal(model->encode_image(tiny_pixels()), image));
  EXPECT_EQ(tensors_hash(model_tensors(model)), tensors_hash(before));
}
INSTANTIATE_TEST_SUITE_P(Cases, PeftAdapter,
                         testing::Values("bias_all", "bias_lora_only", "regex", "all_linear", "exclude_regex",
                                         "save_modules", "patterns", "second", "dora", "dora_all"),
                         [](const auto& info) { return std::string(info.param); });

class PeftAdapterGolden : public testing::TestWithParam<const char*> {};

TEST_P(PeftAdapterGolden, OutputsGradientsAndMergedWeights) {
  EDGECLIP_REQUIRE_PARITY(dir, "tiny_clip/adapters");
  const std::string name = GetParam();
  DualEncoder model = tiny_model();
  model->adapters.add("default", read_adapter(*model, dir / name));
  expect_outputs(model, dir / (name + ".outputs.safetensors"), 1e-5);
  contrastive_loss(model).backward();
  const SafetensorsFile grads(dir / (name + ".grads.safetensors"));
  for (const auto& tensor : grads.names()) {
    const torch::Tensor actual = gradient_of(model, tensor), wanted = tensor_of(grads, tensor);
    ASSERT_TRUE(actual.defined()) << tensor;
    EXPECT_LE(max_difference(actual, wanted), tolerance_of(wanted)) << tensor;
  }
  const TempDir out;
  write_adapter(model->adapters.adapter(), out.path());
  expect_same_files(out.path(), dir / name);
  model->merge_lora();
  const SafetensorsFile merged(dir / (name + ".merged.safetensors"));
  for (const auto& [tensor, value] : model_tensors(model))
    EXPECT_LE(max_difference(from_tensor(value.view()), tensor_of(merged, tensor)), 1e-6) << tensor;
}
INSTANTIATE_TEST_SUITE_P(Cases, PeftAdapterGolden, testing::Values("lora_r4", "lora_rs_patterns"),
                         [](const auto& info) { return std::string(info.param); });

TEST(AdapterSet, SwitchesNamedAdaptersOnOneBase) {
  DualEncoder model = tiny_model();
  const torch::NoGradGuard no_grad;
  const std::string base_hash = weights_hash(model);
  const torch::Tensor base = model->encode_image(tiny_pixels());
  const auto expected = [](const char* name) {
    return tensor_of(SafetensorsFile(golden("adapters") / (std::string(name) + ".expected.safetensors")),
                     "image_embeds");
  };
  for (const char* name : {"save_modules", "bias_all", "second"}) {
    model->adapters.use("");
    model->adapters.add(name, read_adapter(*model, golden("adapters") / name));
  }
  EXPECT_EQ(model->adapters.used(), "second");
  for (int round = 0; round < 2; ++round)
    for (const char* name : {"bias_all", "second", "save_modules"}) {
      model->adapters.use(name);
      EXPECT_LE(max_difference(model->encode_image(tiny_pixels()), expected(name)), 1e-5) << name;
      if (round == 1) model->adapters.merge();  // and switched away from merged
    }
  model->adapters.use("");
  EXPECT_EQ(weights_hash(model), base_hash);
  EXPECT_TRUE(torch::equal(model->encode_image(tiny_pixels()), base));
  EXPECT_NE(invalid_input_of([&] { model->adapters.use("secnd"); }).find("did you mean \"second\""),
            std::string::npos);
  model->adapters.use("");
  EXPECT_NE(invalid_input_of([&] {
              model->adapters.add("second", read_adapter(*model, golden("adapters/second")));
            }).find("there is one"),
            std::string::npos);
  for (const char* name : {"bias_all", "second", "save_modules"}) model->adapters.remove(name);
  for (const auto& parameter : model->parameters()) EXPECT_TRUE(parameter.requires_grad());
}

TEST(AdapterSet, AnyAdapterIsReadWhileAnyOtherIsUsed) {
  const char* names[] = {"bias_all", "bias_lora_only", "all_linear", "save_modules", "patterns", "second"};
  Checkpoint checkpoint;
  checkpoint.config = tiny_config();
  checkpoint.model = tiny_model();
  const torch::NoGradGuard no_grad;
  for (const char* first : names)
    for (const char* then : names) {
      if (first == then) continue;
      SCOPED_TRACE(std::string(first) + ", then " + then);
      add_adapter(checkpoint, first, golden("adapters") / first);
      add_adapter(checkpoint, then, golden("adapters") / then);
      const SafetensorsFile expected(golden("adapters") / (std::string(then) + ".expected.safetensors"));
      EXPECT_LE(max_difference(checkpoint.model->encode_text(tiny_ids()), tensor_of(expected, "text_embeds")),
                1e-5);
      checkpoint.model->adapters.remove(first);
      checkpoint.model->adapters.remove(then);
    }
  EXPECT_EQ(weights_hash(checkpoint.model), weights_hash(tiny_model()));
}

TEST(AdapterSet, TheCheckpointOfAnAdapterWithCopiesHoldsTheBase) {
  const TempDir dir;
  Checkpoint checkpoint;
  checkpoint.config = tiny_config();
  checkpoint.model = tiny_model();
  const std::string base = weights_hash(checkpoint.model);
  add_adapter(checkpoint, "default", golden("adapters/bias_all"));
  save_checkpoint(dir / "c", checkpoint);
  DualEncoder without(checkpoint.config);
  load_weights(without, dir / "c/model.safetensors");
  EXPECT_EQ(weights_hash(without), base);
  expect_same_files(dir / "c", golden("adapters/bias_all"));
  Checkpoint read = load_checkpoint(dir / "c");
  EXPECT_EQ(weights_hash(read.model), weights_hash(checkpoint.model));
}

TEST(AdapterSet, ABaseInBf16TrainsTheAdapterAloneInFloat32) {
  DualEncoder model = tiny_model();
  LoraOptions options;
  options.rank = 4;
  options.modules_to_save = {"text_projection"};
  model->attach_lora(options);
  model->adapters.store_base(torch::kBFloat16);
  contrastive_loss(model).backward();
  int trained = 0;
  for (const auto& item : model->named_parameters()) {
    const bool trains =
        item.key().find(".lora_") != std::string::npos || item.key() == "text_projection.weight";
    EXPECT_EQ(item.value().requires_grad(), trains) << item.key();
    EXPECT_EQ(item.value().grad().defined(), trains) << item.key();
    EXPECT_EQ(item.value().scalar_type(), trains || item.value().dim() < 2 ? torch::kFloat : torch::kBFloat16)
        << item.key();
    trained += trains;
  }
  EXPECT_EQ(trained, 4 * 4 * 2 + 1);
  const TempDir dir;
  Checkpoint checkpoint;
  checkpoint.config = tiny_config();
  checkpoint.model = model;
  checkpoint.lora = options;
  save_checkpoint(dir / "c", checkpoint);
  Checkpoint read = load_checkpoint(dir / "c");  // widened, which changes no value
  read.model->train(model->is_training());
  EXPECT_LE(max_difference(read.model->encode_image(tiny_pixels()), model->encode_image(tiny_pixels())),
            1e-6);
}

TEST(AdapterSet, WhatIsFrozenStaysSo) {
  DualEncoder model = tiny_model();
  model->adapters.add("default", read_adapter(*model, golden("adapters/dora_all")));
  const auto trained = [&] {
    std::set<std::string> names;
    for (const auto& item : model->named_parameters())
      if (item.value().requires_grad()) names.insert(item.key());
    return names;
  };
  for (auto& item : model->named_parameters())
    if (item.key().find("lora_A") != std::string::npos || item.key().find("layernorm") != std::string::npos)
      item.value().requires_grad_(false);
  const auto before = trained();
  EXPECT_EQ(before.count("vision_model.post_layernorm.weight"), 0u);
  EXPECT_EQ(before.count("text_projection.lora_magnitude_vector"), 1u);
  model->adapters.merge();
  model->adapters.unmerge();
  EXPECT_EQ(trained(), before);
  model->adapters.use("");
  EXPECT_TRUE(trained().empty());
  model->adapters.use("default");
  EXPECT_EQ(trained(), before);
}

TEST(AdapterSet, WhatTrainsBesideIsSavedAsPeftReadsIt) {
  DualEncoder model = tiny_model();
  LoraOptions options;
  options.rank = 2;
  options.target_modules = {"q_proj", "text_projection"};
  model->attach_lora(options, {"logit_scale", "vision_model.post_layernorm", "text_projection", "*.fc1.bias",
                               "*.encoder.layers.0-1.self_attn.q_proj.bias"});
  const auto& adapter = model->adapters.adapter();
  EXPECT_EQ(adapter.pairs.count("text_projection"), 0u) << "what trains whole gets no pair";
  EXPECT_EQ(adapter.options.modules_to_save,
            (std::vector<std::string>{"vision_model.post_layernorm", "text_projection"}));
  EXPECT_EQ(adapter.copies.size(), 1u + 2 + 1 + 4 + 4);
  {
    const torch::NoGradGuard no_grad;
    for (auto& parameter : model->parameters())
      if (parameter.requires_grad()) parameter.add_(torch::randn_like(parameter) * 0.05);
  }
  const TempDir out;
  write_adapter(adapter, out.path());
  const SafetensorsFile file(out / "adapter_model.safetensors");
  const std::string layer = "base_model.model.text_model.encoder.layers.1.";
  for (const std::string& name : {std::string("base_model.model.logit_scale"), layer + "mlp.fc1.bias",
                                  layer + "self_attn.q_proj.base_layer.bias",
                                  std::string("base_model.model.text_projection.weight")})
    EXPECT_TRUE(file.contains(name)) << name;
  DualEncoder again = tiny_model();
  again->adapters.add("default", read_adapter(*again, out.path()));
  EXPECT_EQ(weights_hash(again), weights_hash(model));
  EXPECT_TRUE(again->logit_scale.requires_grad());
  const std::string twice = weights_hash(again);
  again->adapters.train_beside({"logit_scale", "visual_projection"}, "train");
  EXPECT_EQ(weights_hash(again), twice);
  EXPECT_TRUE(again->named_parameters()["visual_projection.weight"].requires_grad());

  const auto refusal = [&](const std::vector<std::string>& beside) {
    return invalid_input_of([&] { again->adapters.train_beside(beside, "train"); });
  };
  EXPECT_NE(refusal({"logit"}).find("train: \"logit\" fits no parameter"), std::string::npos);
  EXPECT_NE(refusal({"text_model.encoder.layers.1"}).find("is what the adapter adds to"), std::string::npos);
  ModelConfig config = tiny_config();
  config.vision.model_type = "resnet";
  config.vision.image_height = config.vision.image_width = 32;
  DualEncoder resnet(config);
  options.target_modules = {"q_proj"};
  EXPECT_NE(invalid_input_of([&] {
              resnet->attach_lora(options, {"*.bn1.bias"});
            }).find("has running statistics"),
            std::string::npos);
}

TEST(LoraOptions, GaussianInitializationAndZeroB) {
  torch::manual_seed(3);
  ModelConfig config = tiny_config();
  DualEncoder model(config);
  LoraOptions options;
  options.rank = 8;
  options.init = "gaussian";
  options.target_modules = {"all-linear"};
  options.exclude_modules = {"re:text_model\\..*"};
  model->attach_lora(options);
  std::vector<torch::Tensor> all;
  for (const auto& item : model->named_parameters()) {
    EXPECT_FALSE(item.key().find("text_model") == 0 && item.key().find("lora_") != std::string::npos);
    if (item.key().find("lora_A") != std::string::npos) all.push_back(item.value().flatten());
    if (item.key().find("lora_B") != std::string::npos) {
      EXPECT_EQ(item.value().abs().max().item<float>(), 0);
    }
  }
  EXPECT_EQ(all.size(), 2u * 6 + 2);  // the blocks of the image tower, and both projections
  EXPECT_NEAR(torch::cat(all).std().item<double>(), 1.0 / 8, 0.01);
}

TEST(LoraOptions, PeftIsToldWhatPatternsCameTo) {
  LoraOptions options;
  options.target_modules = {"q_proj"};
  options.exclude_modules = {"visual_projection"};
  const std::vector<std::string> found = {"text_model.encoder.layers.0.self_attn.q_proj"};
  Json json = peft_config_of(options, nullptr, found);
  EXPECT_EQ(json["target_modules"], Json({"q_proj"}));
  EXPECT_EQ(json["exclude_modules"], Json({"visual_projection"}));
  options.exclude_modules = {"vision_model.*"};
  json = peft_config_of(options, nullptr, found);
  EXPECT_EQ(json["target_modules"], Json(found));
  EXPECT_TRUE(json["exclude_modules"].is_null());
  options.target_modules = {"text_model.encoder.layers.0-1.self_attn.q_proj"};
  options.exclude_modules = {};
  EXPECT_EQ(peft_config_of(options, nullptr, found)["target_modules"], Json(found));
  EXPECT_TRUE(is_plain_name("layers.10.q_proj") && is_plain_name("a-b"));
  EXPECT_FALSE(is_plain_name("layers.0-8") || is_plain_name("*.bias") || is_plain_name("re:x"));
}

TEST(LoraOptions, NameWhatDoesNotFit) {
  DualEncoder model = tiny_model();
  const auto refusal = [&](const std::function<void(LoraOptions&)>& change) {
    LoraOptions options;
    change(options);
    const std::string message = invalid_input_of([&] { model->attach_lora(options); });
    EXPECT_FALSE(model->has_lora());
    return message;
  };
  const auto expect = [&](const std::function<void(LoraOptions&)>& change, const std::string& part) {
    const std::string message = refusal(change);
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  expect([](auto& o) { o.target_modules = {"q_proj", "key"}; }, "\"key\"");
  expect([](auto& o) { o.target_modules = {"roj"}; }, "\"roj\"");  // names end at a dot
  expect([](auto& o) { o.target_modules = {"qproj"}; }, "did you mean \"q_proj\"");
  expect([](auto& o) { o.target_modules = {"re:.*(q_proj"}; }, "no regular expression");
  expect([](auto& o) { o.target_modules = {"re:q_proj"}; }, "fits no linear layer");
  expect([](auto& o) { o.target_modules = {"all-linear", "q_proj"}; }, "stands alone");
  expect([](auto& o) { o.modules_to_save = {"classifier"}; }, "\"classifier\" fits no module");
  expect([](auto& o) { o.rank_pattern = {{"fc1", 0}}; }, "rank_pattern[\"fc1\"]");
  expect([](auto& o) { o.alpha_pattern = {{"(", 1}}; }, "alpha_pattern");
  expect([](auto& o) { o.dropout = 1; }, "dropout");
  expect([](auto& o) { o.rank = 2000000000; }, "rank: 2000000000 is more than both sides of");
  expect([](auto& o) { o.rank_pattern = {{"nothing", 2}}; }, "\"nothing\" fits no layer");
  expect([](auto& o) { o.exclude_modules = {"nothing"}; }, "\"nothing\" fits no linear layer");
  expect([](auto& o) { o.exclude_modules = {"q_proj", "k_proj", "v_proj", "out_proj"}; }, "leave none");
  expect([](auto& o) { o.target_modules = {"re:([a-z0-9_.]+)+X"}; }, "takes too long");
  ModelConfig config = tiny_config();
  config.vision.model_type = "resnet";
  config.vision.image_height = config.vision.image_width = 32;
  DualEncoder resnet(config);
  LoraOptions options;
  options.modules_to_save = {"layer1"};
  EXPECT_NE(invalid_input_of([&] { resnet->attach_lora(options); }).find("running statistics"),
            std::string::npos);
}

TEST(AdapterFile, RefusesPeftsOtherOptionsByName) {
  const Json plain = read_json(golden("adapters/second/adapter_config.json"));
  const auto refusal = [&](const std::string& key, const Json& value) {
    Json json = plain;
    json[key] = value;
    return invalid_input_of([&] { lora_options_of(json, "adapter_config.json"); });
  };
  for (const char* key : {"lora_bias", "fan_in_fan_out", "use_qalora", "an_option_of_next_year"})
    EXPECT_NE(refusal(key, true).find(std::string(key) + ": true is not supported"), std::string::npos);
  EXPECT_NE(refusal("layers_to_transform", {1}).find("layers_to_transform"), std::string::npos);
  EXPECT_NE(refusal("init_lora_weights", "pissa").find("\"pissa\""), std::string::npos);
  EXPECT_NE(refusal("peft_type", "LOHA").find("LOHA"), std::string::npos);
  EXPECT_NE(refusal("bias", "some").find("bias"), std::string::npos);
  EXPECT_NE(refusal("r", "two").find("adapter_config.json"), std::string::npos);
}

TEST(AdapterFile, NamesFileAndTensorThatDoNotFit) {
  const TempDir dir;
  const fs::path folder = dir / "a";
  const auto refusal = [&](const std::function<void(Json&, NamedTensors&)>& change) {
    fs::create_directories(folder);
    Json config = read_json(golden("adapters/second/adapter_config.json"));
    NamedTensors tensors;
    const SafetensorsFile file(golden("adapters/second/adapter_model.safetensors"));
    for (const auto& name : file.names()) tensors.emplace_back(name, file.get(name));
    change(config, tensors);
    write_json(folder / "adapter_config.json", config);
    write_safetensors(folder / "adapter_model.safetensors", tensors);
    DualEncoder model = tiny_model();
    return invalid_input_of([&] { read_adapter(*model, folder); });
  };
  const auto expect = [&](const std::function<void(Json&, NamedTensors&)>& change, const std::string& part) {
    const std::string message = refusal(change);
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_NE(message.find("adapter_"), std::string::npos) << message;
  };
  expect([](Json& config, NamedTensors&) { config["r"] = 3; }, "r = 3 need");
  expect([](Json& config, NamedTensors&) { config["r"] = 2000000000; }, "r = 2000000000 need");
  expect([](Json&, NamedTensors& tensors) { tensors.pop_back(); }, "lora_");
  expect([](Json&, NamedTensors& tensors) { tensors.emplace_back("extra", Tensor(DType::f32, {1})); },
         "\"extra\"");
  expect([](Json& config, NamedTensors&) { config["target_modules"] = {"k_proj"}; },
         "belongs to no linear layer");
  expect([](Json& config, NamedTensors&) { config["use_dora"] = true; }, "lora_magnitude_vector");
  expect(
      [](Json&, NamedTensors& tensors) {
        tensors[3].second = tensors[3].second.clone();
        tensors[3].second.data<float>()[1] = std::nanf("");
      },
      "holds values that are not finite; take an older copy");
}

TEST(NameMatch, EndsExpressionsAndLists) {
  EXPECT_TRUE(ends_with_name("a.b.q_proj", "q_proj"));
  EXPECT_TRUE(ends_with_name("a.b.q_proj", "b.q_proj"));
  EXPECT_TRUE(ends_with_name("q_proj", "q_proj"));
  EXPECT_FALSE(ends_with_name("a.xq_proj", "q_proj"));
  EXPECT_FALSE(ends_with_name("q_proj", "a.q_proj"));
  const NameExpression expression(R"(.*layers\.[01]\.(?i:FC)\d)", "x");
  EXPECT_TRUE(expression.fits("t.layers.1.fc2"));
  EXPECT_FALSE(expression.fits("t.layers.1.fc2.x"));
  const NamePattern layers("layers.0-2.*_proj", NamePart::kEnd, "x");
  EXPECT_TRUE(layers.fits("a.layers.2.self_attn.q_proj"));
  EXPECT_FALSE(layers.fits("a.layers.3.self_attn.q_proj"));
  EXPECT_FALSE(layers.fits("a.layers.2.self_attn.q_proj.lora_A"));
  EXPECT_TRUE(NamePattern("layers.0-2", NamePart::kBefore, "x").fits("layers.1.q_proj"));
  EXPECT_FALSE(NamePattern("layers.0-2", NamePart::kBefore, "x").fits("a.layers.1"));
  EXPECT_FALSE(NamePattern("a+b", NamePart::kEnd, "x").fits("aab")) << "a name, no expression";
  EXPECT_TRUE(NameList({"re:a.*"}, "x").fits("abc"));
  EXPECT_FALSE(NameList({}, "x").fits("abc"));
}

}  // namespace
}  // namespace edgeclip
