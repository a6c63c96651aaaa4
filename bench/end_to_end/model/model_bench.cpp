#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>

#include "base/build_info.h"
#include "base/threads.h"
#include "model/dual_encoder.h"
#include "train/cpu_allocator.h"
#include "train/features.h"
#include "train/losses/contrastive.h"
#include "train/optimizer.h"
#include "train/parameter_groups.h"
#include "train/torch_runtime.h"

/// One side of compare.py: ViT-B/32 and its text tower, with a LoRA adapter or every weight training, on
/// random weights and inputs.  Each line of stdin, "forward" or "step" (forward, loss, backward, AdamW), is
/// answered with
/// {"seconds": ...}.
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

struct BenchOptions {
  std::vector<int> lengths;  ///< tokens of each caption: the batch
  bool lora = true, bf16 = false, bf16_base = false;
};

class Bench {
 public:
  explicit Bench(const BenchOptions& options) : bf16_(options.bf16) {
    torch::manual_seed(0);
    initialize_weights(model_);
    if (options.lora) {
      model_->attach_lora({});
      const torch::NoGradGuard no_grad;  // as after some training: B is no longer zero
      for (auto& item : model_->named_parameters())
        if (item.key().find("lora_B") != std::string::npos) item.value().normal_(0, 0.01);
    }
    if (options.bf16_base) {
      model_->adapters.store_base(torch::kBFloat16);
      release_tensor_memory();
    }
    model_->train();
    optimizer_ = std::make_unique<AdamW>(trained_parameters(*model_), OptimizerOptions());
    const auto batch = static_cast<std::int64_t>(options.lengths.size());
    const int longest = *std::max_element(options.lengths.begin(), options.lengths.end());
    inputs_.pixels = torch::randn({batch, 3, 224, 224});
    inputs_.tokens = torch::randint(1, 49000, {batch, longest});
    for (std::int64_t i = 0; i < batch; ++i)
      inputs_.tokens[i].slice(0, options.lengths[static_cast<std::size_t>(i)] - 1).fill_(49407);
  }

  std::int64_t trainable() const { return optimizer_->trained_elements(); }
  void forward() {
    const torch::NoGradGuard no_grad;
    const Features features = encode(model_, inputs_, bf16_);
    torch::matmul(features.image.unit, features.text.unit.t()).mul_(model_->logit_scale.exp());
  }
  void step() {
    const Features features = encode(model_, inputs_, bf16_);
    contrastive_loss(features.image.unit, features.text.unit, model_->logit_scale).backward();
    optimizer_->step(1e-5);
    optimizer_->zero_gradients();
  }

 private:
  const bool bf16_;
  DualEncoder model_{vit_b32()};
  std::unique_ptr<AdamW> optimizer_;
  Inputs inputs_;
};

int run(int argc, char** argv) {
  CLI::App app("One side of compare.py");
  int threads = 1;
  std::string mode = "lora", precision = "fp32", base = "fp32";
  BenchOptions options;
  app.add_option("--threads", threads);
  app.add_option("--lengths", options.lengths)->delimiter(',')->required()->check(CLI::Range(2, 77));
  app.add_option("--mode", mode)->check(CLI::IsMember({"lora", "full"}));
  app.add_option("--precision", precision)->check(CLI::IsMember({"fp32", "bf16"}));
  app.add_option("--base", base)->check(CLI::IsMember({"fp32", "bf16"}));
  CLI11_PARSE(app, argc, argv);
  set_thread_count(threads);
  prepare_torch();
  options.lora = mode == "lora";
  options.bf16 = precision == "bf16";
  options.bf16_base = base == "bf16";
  Bench bench(options);
  std::cout << Json{{"ready", true},
                    {"versions",
                     {{"edgeclip", version()}, {"libtorch", TORCH_VERSION}, {"blas", blas_core()}}},
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
