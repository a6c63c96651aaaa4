#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>

#include "base/build_info.h"
#include "base/threads.h"
#include "model/dual_encoder.h"
#include "train/losses/contrastive.h"
#include "train/precision.h"
#include "train/torch_runtime.h"

/// One side of compare.py: ViT-B/32 and its text tower with a LoRA adapter, on random weights and inputs.
/// Each line of stdin, "forward" or "step" (forward, loss, backward), is answered with {"seconds": ...}.
namespace edgeclip {
namespace {

ModelConfig vit_b32() {
  ModelConfig config;
  VisionConfig& v = config.vision;
  v.hidden_size = 768;
  v.num_hidden_layers = v.num_attention_heads = 12;
  v.intermediate_size = {3072};
  v.image_height = v.image_width = 224;
  v.patch_size = 32;
  TextConfig& t = config.text;
  t.vocab_size = 49408;
  t.hidden_size = 512;
  t.num_hidden_layers = 12;
  t.num_attention_heads = 8;
  t.intermediate_size = {2048};
  t.max_position_embeddings = 77;
  t.bos_token_id = 49406;
  t.eos_token_id = 49407;
  config.projection_dim = 512;
  return config;
}

class Bench {
 public:
  Bench(int batch, int tokens, bool bf16) : bf16_(bf16) {
    torch::manual_seed(0);
    initialize_weights(model_);
    model_->attach_lora({});
    model_->train();
    pixels_ = torch::randn({batch, 3, 224, 224});
    tokens_ = torch::randint(1, 49000, {batch, tokens});
    tokens_.select(1, tokens - 1).fill_(49407);  // every caption has the full length
  }

  std::int64_t trainable() const {
    std::int64_t n = 0;
    for (const auto& parameter : model_->parameters())
      if (parameter.requires_grad()) n += parameter.numel();
    return n;
  }
  void forward() {
    const torch::NoGradGuard no_grad;
    const auto [image, text] = encode();
    torch::matmul(image, text.t()).mul_(model_->logit_scale.exp());
  }
  void step() {
    const auto [image, text] = encode();
    contrastive_loss(image, text, model_->logit_scale).backward();
    for (auto& parameter : model_->parameters()) parameter.mutable_grad().reset();
  }

 private:
  std::pair<torch::Tensor, torch::Tensor> encode() {
    const Autocast autocast(bf16_);
    torch::Tensor image = model_->encode_image(pixels_);
    return {image, model_->encode_text(tokens_)};
  }

  const bool bf16_;
  DualEncoder model_{vit_b32()};
  torch::Tensor pixels_, tokens_;
};

int run(int argc, char** argv) {
  CLI::App app("One side of compare.py");
  int threads = 1, batch = 32, tokens = 77;
  std::string precision = "fp32";
  app.add_option("--threads", threads);
  app.add_option("--batch", batch);
  app.add_option("--tokens", tokens)->check(CLI::Range(2, 77));
  app.add_option("--precision", precision)->check(CLI::IsMember({"fp32", "bf16"}));
  CLI11_PARSE(app, argc, argv);
  set_thread_count(threads);
  prepare_torch();
  Bench bench(batch, tokens, precision == "bf16");
  std::cout << Json{{"ready", true},
                    {"versions", {{"edgeclip", version()}, {"libtorch", TORCH_VERSION}}},
                    {"trainable", bench.trainable()}}
            << std::endl;
  for (std::string line; std::getline(std::cin, line) && line != "quit";) {
    const auto start = std::chrono::steady_clock::now();
    line == "step" ? bench.step() : bench.forward();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::cout << Json{{"seconds", took.count()}} << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace edgeclip

int main(int argc, char** argv) { return edgeclip::run(argc, argv); }
