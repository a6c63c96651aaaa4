#include "base/json.h"
#include "model/lora/adapter_file.h"
#include "train/losses/contrastive.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/tiny_clip.h"

namespace edgeclip {
namespace {

struct Case {
  const char* name;
  double loss_tolerance = 1e-5, weight_tolerance = 2e-4;
};
std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

class TrainingGolden : public testing::TestWithParam<Case> {};

/// The parameter a golden name stands for: adapter files carry PEFT's prefix and suffix.
std::string own_name(std::string name) {
  const std::string prefix = "base_model.model.", suffix = ".weight";
  if (name.compare(0, prefix.size(), prefix) != 0) return name;
  return name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
}

TEST_P(TrainingGolden, LossesNormsAndFinalWeights) {
  const std::string name = GetParam().name;
  EDGECLIP_REQUIRE_PARITY(folder, "tiny_clip");
  const Json golden = read_json(folder / "train" / (name + ".json"));
  DualEncoder model(test::tiny_clip_config());
  load_weights(model, name == "clamp" ? folder / "train/clamp_start/model.safetensors"
                                      : folder / "hf/model.safetensors");
  if (name == "lora_r4") model->adapters.add("default", read_adapter(*model, folder / "adapters/lora_r4"));
  for (auto& item : model->named_parameters())  // as PEFT trains: the adapter alone
    item.value().set_requires_grad(name != "lora_r4" || item.key().find("lora_") != std::string::npos);

  OptimizerOptions options;
  options.weight_decay = golden["weight_decay"];
  options.beta1 = golden["betas"][0];
  options.beta2 = golden["betas"][1];
  options.eps = golden["eps"];
  options.clip_norm = golden["max_grad_norm"].is_null() ? 0.0 : golden["max_grad_norm"].get<double>();
  std::vector<TrainedParameter> parameters = trained_parameters(*model);
  if (!golden["no_decay_if_ndim_below_2"].get<bool>())
    for (TrainedParameter& parameter : parameters) parameter.decay = true;
  AdamW optimizer(parameters, options);

  const int steps = golden["steps"];
  for (int step = 0; step < steps; ++step) {
    SCOPED_TRACE(step);
    const auto k = static_cast<std::size_t>(step);
    const double lr = golden["lr"][k];
    if (name == "full_warmup_cosine") {
      ScheduleOptions schedule;
      schedule.warmup = 5.0 / steps;
      EXPECT_NEAR(Schedule(schedule, steps, steps).rate(step), lr, 1e-12);
    }
    const Batch batch = test::tiny_clip_batch(folder, golden["batch_of_step"][k].get<std::int64_t>());
    optimizer.zero_gradients();
    const torch::Tensor loss = test::batch_loss(model, batch, /*identity_targets=*/false, /*bf16=*/false);
    EXPECT_NEAR(loss.item<double>(), golden["loss"][k].get<double>(), GetParam().loss_tolerance);
    loss.backward();
    const double norm = optimizer.gradient_norm(), expected = golden["grad_norm_before_clipping"][k];
    EXPECT_NEAR(norm, expected, 100 * GetParam().loss_tolerance * expected);
    optimizer.step(lr, clip_scale(norm, options.clip_norm));
    clamp_logit_scale(model->logit_scale);
    EXPECT_NEAR(model->logit_scale.item<double>(), golden["logit_scale_after_step"][k].get<double>(),
                GetParam().loss_tolerance);
  }

  const SafetensorsFile final(folder / "train" / (name + ".final.safetensors"));
  const auto weights = model->named_parameters();
  for (const std::string& tensor : final.names()) {
    if (tensor.find("position_ids") != std::string::npos) continue;
    // Its gradient is mathematically zero; AdamW magnifies the rounding noise.
    const double tolerance =
        tensor.find("k_proj.bias") != std::string::npos ? 1e-3 : GetParam().weight_tolerance;
    const torch::Tensor* const trained = weights.find(own_name(tensor));
    ASSERT_NE(trained, nullptr) << tensor;
    const torch::Tensor expected = from_tensor(final.get(tensor).view());
    EXPECT_LE((trained->detach() - expected).abs().max().item<double>(), tolerance) << tensor;
  }
}

INSTANTIATE_TEST_SUITE_P(TinyClip, TrainingGolden,
                         testing::Values(Case{"full"}, Case{"full_no_decay_groups"},
                                         Case{"full_warmup_cosine"}, Case{"full_clip_1"}, Case{"lora_r4"},
                                         Case{"clamp", 1e-3, 1e-3}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace edgeclip
