#pragma once

#include "base/file.h"
#include "builder/import/onnx_import.h"
#include "builder/passes/passes.h"
#include "bundle/bundle.h"
#include "engine/runtime/session.h"
#include "export/export.h"
#include "support/support.h"

/// A small checkpoint, its export, and the replay of its reference cases through the engine.
namespace edgeclip::test {

namespace fs = std::filesystem;

inline std::shared_ptr<const Tokenizer> small_tokenizer() {
  std::vector<std::string> texts;
  for (const char* who : {"man", "woman", "boy"})
    for (const char* colour : {"red", "green", "blue"})
      texts.push_back(fmt::format("A {} in a {} coat with a bag.", who, colour));
  return train_tokenizer(texts, 60);
}

/// A rectangular image, unequal towers, one layer whose neurons and heads were pruned: nothing that a mistake could hide behind.
inline Checkpoint small_checkpoint(const std::string& activation, int context) {
  Checkpoint checkpoint;
  checkpoint.tokenizer = small_tokenizer();
  ModelConfig& config = checkpoint.config;
  config.vision.hidden_size = 24;
  config.vision.num_hidden_layers = 2;
  config.vision.num_attention_heads = 3;
  config.vision.intermediate_size = {40, 17};
  config.vision.layer_heads = {3, 2};
  config.vision.image_height = 24;
  config.vision.image_width = 16;
  config.text.vocab_size = checkpoint.tokenizer->vocab_size();
  config.text.hidden_size = 20;
  config.text.num_hidden_layers = 2;
  config.text.num_attention_heads = 2;
  config.text.intermediate_size = {36};
  config.text.max_position_embeddings = context;
  config.vision.hidden_act = config.text.hidden_act = activation;
  config.projection_dim = 12;
  torch::manual_seed(5);
  checkpoint.model = DualEncoder(config);
  initialize_weights(checkpoint.model);
  const torch::NoGradGuard no_grad;
  for (auto& item : checkpoint.model->named_parameters())  // biases and norms that are not 0 and 1
    if (item.value().dim() == 1) item.value().add_(torch::randn_like(item.value()) * 0.1);
  checkpoint.provenance.push_back({{"command", "test"}});
  return checkpoint;
}

inline void attach_adapter(Checkpoint& checkpoint) {
  LoraOptions lora;
  lora.rank = 2;
  checkpoint.model->attach_lora(lora);
  const torch::NoGradGuard no_grad;
  for (auto& parameter : checkpoint.model->parameters())
    if (parameter.requires_grad()) parameter.normal_(0, 0.2);
}

inline Json export_to(const TempDir& dir, const Checkpoint& checkpoint, int opset = 17, bool external_data = false) {
  save_checkpoint(dir / "checkpoint", checkpoint);
  ExportOptions options;
  options.checkpoint = (dir / "checkpoint").string();
  options.out = (dir / "bundle").string();
  options.opset = opset;
  options.external_data = external_data;
  return export_bundle(options);
}

/// Largest difference between the engine and LibTorch over all reference cases of one tower.
inline double replay(const Bundle& bundle, const fs::path& onnx, const std::string& tower,
                     bool reference_kernels) {
  engine::Graph graph = builder::import_onnx(onnx);
  EXPECT_EQ(builder::fold_constants(graph), 0);
  if (!reference_kernels) builder::optimize(graph);
  engine::SessionOptions options;
  options.reference = reference_kernels;
  const engine::Session session(std::move(graph), options);
  engine::Context context(session);
  const SafetensorsFile reference(bundle.reference());
  double worst = 0;
  int cases = 0;
  for (const auto& name : reference.names()) {
    if (name.rfind(tower + "/", 0) != 0 || name.find("_embeds") != std::string::npos) continue;
    const std::string prefix = name.substr(0, name.rfind('/') + 1);
    const Tensor expected = reference.get(prefix + tower + "_embeds");
    const Tensor actual = context.run({reference.get(name).view()}).at(0);
    EXPECT_EQ(actual.shape(), expected.shape()) << name;
    for (std::int64_t i = 0; i < expected.elements(); ++i)
      worst =
          std::max(worst, std::abs(static_cast<double>(actual.data<float>()[i]) - expected.data<float>()[i]));
    ++cases;
  }
  EXPECT_GT(cases, 0);
  return worst;
}

}  // namespace edgeclip::test
