#include "model/lora/adapter_set.h"

#include "model/lora/adapter_file.h"
#include "model/weight.h"
#include "tiny_clip.h"

namespace edgeclip {
namespace {

using namespace test;

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
  torch::Tensor scale = again->logit_scale;
  set_weight(scale, torch::full({}, 3.5f));  // as an average of the weights does
  EXPECT_EQ(again->adapters.adapter().copies.at("logit_scale").item<float>(), 3.5f);
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

}  // namespace
}  // namespace edgeclip
