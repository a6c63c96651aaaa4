#include "model/lora/adapter_file.h"

#include <set>

#include "model/lora/adapter_config.h"
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

TEST(AdapterFile, WithCopiesStandsBesideTheWholeBase) {
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

}  // namespace
}  // namespace edgeclip
