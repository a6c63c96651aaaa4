#include "model/checkpoint.h"

#include <cmath>
#include <set>

#include "base/artifact.h"
#include "base/log.h"
#include "bundle/bundle.h"
#include "model/weight.h"
#include "tiny_clip.h"

namespace edgeclip {
namespace {

using namespace test;
namespace fs = std::filesystem;

Checkpoint tiny_checkpoint() {
  Checkpoint checkpoint;
  checkpoint.config = tiny_config();
  checkpoint.model = tiny_model();
  checkpoint.card.name = "tiny";
  checkpoint.provenance.push_back({{"command", "test"}});
  return checkpoint;
}

void change_json(const fs::path& file, const std::function<void(Json&)>& change) {
  Json json = read_json(file);
  change(json);
  write_json(file, json);
}

TEST(Checkpoint, ComesBackAsItWas) {
  const TempDir dir;
  const Checkpoint written = tiny_checkpoint();
  save_checkpoint(dir / "c", written);
  Checkpoint read = load_checkpoint(dir / "c");
  EXPECT_EQ(options_to_json(read.config), options_to_json(written.config));
  EXPECT_EQ(read.provenance, written.provenance);
  EXPECT_EQ(weights_hash(read.model), weights_hash(written.model));
  EXPECT_FALSE(read.model->has_lora());
  EXPECT_EQ(read.card.name, "tiny");
  EXPECT_EQ(read.card.image.height, 32);
  EXPECT_EQ(read.card.context_length, 16);
  EXPECT_EQ(read.card.embedding_dim, 32);
  EXPECT_NEAR(read.card.logit_scale, std::exp(written.model->logit_scale.item<double>()), 1e-6);
  expect_outputs(read.model, golden("tiny_clip/outputs.safetensors"), 1e-5);
  save_checkpoint(dir / "c", read, {.overwrite = true});  // replaces an artifact of ours
}

TEST(Checkpoint, KeepsAnAdapterInFilesOfItsOwn) {
  const TempDir dir;
  Checkpoint checkpoint = tiny_checkpoint();
  const std::string base = weights_hash(checkpoint.model);
  LoraOptions options;
  options.rank = 3;
  options.alpha = 5;
  options.dropout = 0.25;
  options.target_modules = {"fc1", "q_proj"};
  checkpoint.model->attach_lora(options);
  {
    const torch::NoGradGuard no_grad;
    for (auto& parameter : checkpoint.model->parameters())
      if (parameter.requires_grad()) parameter.normal_();
  }
  save_checkpoint(dir / "c", checkpoint);
  EXPECT_TRUE(fs::exists(dir / "c/adapter_model.safetensors"));
  Checkpoint read = load_checkpoint(dir / "c");
  ASSERT_TRUE(read.model->has_lora());
  EXPECT_EQ(options_to_json(read.model->adapters.adapter().options), options_to_json(options));
  EXPECT_EQ(weights_hash(read.model), weights_hash(checkpoint.model));
  DualEncoder without(read.config);
  load_weights(without, dir / "c/model.safetensors");
  EXPECT_EQ(weights_hash(without), base);
}

TEST(Checkpoint, KeepsThePrunedShape) {
  const TempDir dir;
  Checkpoint checkpoint = tiny_checkpoint();
  Mlp mlp = checkpoint.model->vision_model->blocks()->layer(1)->mlp;
  set_weight(mlp->fc1->weight, mlp->fc1->weight.slice(0, 0, 100));
  set_weight(mlp->fc1->bias, mlp->fc1->bias.slice(0, 0, 100));
  set_weight(mlp->fc2->weight, mlp->fc2->weight.slice(1, 0, 100).contiguous());
  checkpoint.model->config.vision.intermediate_size = {128, 100};
  save_checkpoint(dir / "c", checkpoint);
  Checkpoint read = load_checkpoint(dir / "c");
  EXPECT_EQ(read.config.vision.intermediate_size, (std::vector<int>{128, 100}));
  const torch::NoGradGuard no_grad;
  EXPECT_EQ(
      max_difference(read.model->encode_image(tiny_pixels()), checkpoint.model->encode_image(tiny_pixels())),
      0);
}

TEST(Checkpoint, NamesWhatIsWrong) {
  const TempDir dir;
  const fs::path c = dir / "c", config = c / "config.json", weights = c / "model.safetensors";
  const auto fresh = [&] { save_checkpoint(c, tiny_checkpoint(), {.overwrite = true}); };
  const auto message = [&] { return invalid_input_of([&] { load_checkpoint(c); }); };
  const auto expect = [&](const std::string& part) {
    const std::string text = message();
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  expect(c.string());  // no such folder

  fresh();
  change_json(config, [](Json& json) { json["format"] = 3; });
  expect("format 3 is newer than this build (2); update edgeclip");
  fresh();
  change_json(config, [](Json& json) { json["model"]["vision"]["hiden_size"] = 3; });
  expect("hidden_size");
  fresh();
  change_json(config, [](Json& json) { json["model"]["text"]["vocab_size"] = 513; });
  expect("(512, 48)");
  fresh();
  change_json(config, [](Json& json) { json["model"]["text"]["vocab_size"] = 4000000; });
  expect("needs at least");
  fresh();
  change_json(config, [](Json& json) { json["card"]["context_length"] = 77; });
  expect("card.context_length: 77 does not fit the model, which says 16");
  fresh();
  change_json(config, [](Json& json) { json["lora"] = Json::object(); });
  expect("adapter_config.json");
  fresh();
  fs::copy_file(golden("tiny_clip/config.json"), config, fs::copy_options::overwrite_existing);
  expect("edgeclip import");
  fs::remove_all(c);  // a folder with another tool's configuration is not replaced

  fresh();
  fs::resize_file(weights, 200000);
  expect("model.safetensors: has 200000 bytes");
  for (const bool missing : {true, false}) {
    fresh();
    NamedTensors tensors;
    const Checkpoint good = tiny_checkpoint();
    for (const auto& item : model_tensors(good.model))
      if (!missing || item.first != "visual_projection.weight") tensors.push_back(item);
    tensors.emplace_back(missing ? "text_model.embeddings.position_ids" : "extra.weight",
                         Tensor(DType::f32, {20000, 3}));
    write_safetensors(weights, tensors);
    expect("copy the folder again");
    change_json(config, [&](Json& json) { json["files"] = file_table(c, "config.json"); });
    expect(missing ? "visual_projection.weight" : "extra.weight");
  }
}

TEST(Checkpoint, IgnoresPositionIds) {
  const TempDir dir;
  DualEncoder model = tiny_model();
  NamedTensors tensors = model_tensors(model);
  tensors.emplace_back("text_model.embeddings.position_ids", Tensor(DType::i64, {1, 16}));
  tensors.emplace_back("vision_model.embeddings.position_ids", Tensor(DType::i64, {1, 17}));
  write_safetensors(dir / "model.safetensors", tensors);
  load_weights(model, dir / "model.safetensors");
}

TEST(Checkpoint, WarnsOfWeightsThatAreNotFinite) {
  const TempDir dir;
  DualEncoder model = tiny_model();
  NamedTensors tensors = model_tensors(model);
  const auto output_of = [&] {
    write_safetensors(dir / "model.safetensors", tensors);
    testing::internal::CaptureStdout();
    load_weights(model, dir / "model.safetensors");
    spdlog::default_logger()->flush();
    return testing::internal::GetCapturedStdout();
  };
  EXPECT_EQ(output_of(), "");
  for (auto& [name, tensor] : tensors) {
    if (name == "visual_projection.weight") tensor.data<float>()[3] = std::nanf("");
    if (name == "text_projection.weight") tensor.data<float>()[0] = 3e38f, tensor.data<float>()[1] = 3e38f;
  }
  const std::string output = output_of();
  EXPECT_NE(output.find("\"visual_projection.weight\" holds values that are not finite"), std::string::npos)
      << output;
  EXPECT_EQ(output.find("text_projection"), std::string::npos) << "its sum alone is infinite: " << output;
}

TEST(Checkpoint, ARunFolderStandsForItsBest) {
  const TempDir dir;
  write_json(dir / "run/run.json", {{"format", 1}, {"edgeclip", "0"}});
  EXPECT_NE(invalid_input_of([&] { load_checkpoint(dir / "run"); }).find("no best checkpoint yet"),
            std::string::npos);
  save_checkpoint(dir / "run/best", tiny_checkpoint());
  EXPECT_EQ(checkpoint_folder(dir / "run"), dir / "run/best");
  EXPECT_EQ(load_checkpoint(dir / "run").directory, dir / "run/best");
  EXPECT_EQ(read_checkpoint_head(dir / "run").card.name, "tiny");
  EXPECT_EQ(checkpoint_folder(dir / "run/best"), dir / "run/best");
}

TEST(Checkpoint, ConvertsTensorsBothWays) {
  for (const auto type : {torch::kFloat, torch::kHalf, torch::kBFloat16, torch::kLong, torch::kInt,
                          torch::kByte, torch::kBool}) {
    const torch::Tensor t = torch::arange(6).view({2, 3}).to(type);
    EXPECT_TRUE(torch::equal(from_tensor(to_tensor(t.t()).view()), t.t())) << c10::toString(type);
  }
  EXPECT_EQ(to_tensor(torch::zeros({0, 4})).shape(), (Shape{0, 4}));
  EXPECT_EQ(to_tensor(torch::scalar_tensor(2.5)).data<float>()[0], 2.5f);
}

TEST(Checkpoint, Format1WithAnAdapterStaysReadable) {
  const Checkpoint checkpoint = load_checkpoint(test::golden("formats/v1/checkpoint"));
  ASSERT_TRUE(checkpoint.model->has_lora());
  EXPECT_EQ(checkpoint.model->adapters.adapter().options.rank, 2);
  EXPECT_EQ(checkpoint.card.image.height, 32);
  DualEncoder model = checkpoint.model;
  const torch::Tensor rows = model->encode_image(torch::ones({2, 3, 32, 16}));
  EXPECT_EQ(rows.sizes(), (torch::IntArrayRef{2, 8}));
}

}  // namespace
}  // namespace edgeclip
