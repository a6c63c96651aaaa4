#include "model/recompute.h"

#include "model/freeze.h"
#include "tiny_clip.h"

namespace edgeclip {
namespace {

using namespace test;

std::map<std::string, torch::Tensor> gradients(DualEncoder& model) {
  std::map<std::string, torch::Tensor> out;
  for (auto& item : model->named_parameters()) {
    if (item.value().grad().defined()) out[item.key()] = item.value().grad().clone();
    item.value().mutable_grad().reset();
  }
  return out;
}

void expect_equal(const std::map<std::string, torch::Tensor>& a,
                  const std::map<std::string, torch::Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, tensor] : a) EXPECT_TRUE(torch::equal(tensor, b.at(name))) << name;
}

TEST(Recompute, GradientsEqualThePlainRun) {
  for (const char* how : {"full", "lora", "bf16", "frozen"}) {
    SCOPED_TRACE(how);
    DualEncoder model = tiny_model();
    model->train();
    if (std::string(how) == "lora") {
      LoraOptions options;
      options.rank = 4;
      options.dropout = 0.3;  // random numbers in the blocks
      torch::manual_seed(1);
      model->attach_lora(options);
      const torch::NoGradGuard no_grad;
      for (auto& item : model->named_parameters())
        if (item.value().requires_grad()) item.value().normal_(0, 0.1);
    }
    if (std::string(how) == "frozen")
      freeze_parameters(*model, {"vision_model", "text_model.encoder.layers.0", "*.bias"}, "freeze");
    const auto run = [&](bool recompute) {
      model->recompute_blocks(recompute);
      torch::manual_seed(2);
      const torch::Tensor loss =
          contrastive_loss(model, std::string(how) == "bf16" ? ComputeType::bf16 : ComputeType::f32);
      loss.backward();
      EXPECT_FALSE(is_recomputing());
      return std::pair(loss.detach(), gradients(model));
    };
    const auto plain = run(false), again = run(true);
    EXPECT_TRUE(torch::equal(plain.first, again.first));
    expect_equal(plain.second, again.second);
  }
}

TEST(Recompute, LeavesTheRandomStreamWhereThePlainRunLeavesIt) {
  const auto run = [](bool recompute) {
    torch::manual_seed(5);
    const torch::Tensor x = torch::ones({64}).requires_grad_(true);
    const auto block = [](const torch::Tensor& in) { return torch::dropout(in * in, 0.5, true); };
    const torch::Tensor y = recompute ? recomputed(block, x, {}) : block(x);
    const torch::Tensor between = torch::rand({4});
    y.sum().backward();
    return torch::cat({y.detach(), between, torch::rand({4}), x.grad()});
  };
  EXPECT_TRUE(torch::equal(run(false), run(true)));
}

TEST(Recompute, KeepsNothingInside) {
  int runs = 0;
  const torch::Tensor w = torch::full({1}, 3.0).requires_grad_(true), x = torch::full({1}, 2.0);
  const auto block = [&](const torch::Tensor& in) {
    ++runs;
    return in * w * w;
  };
  const torch::Tensor y = recomputed(block, x, {w});  // x needs no gradient, w does
  EXPECT_EQ(runs, 1);
  y.backward();
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(w.grad().item<float>(), 12);
  const torch::NoGradGuard no_grad;
  recomputed(block, x, {w});
  EXPECT_EQ(runs, 3);
}

TEST(Freeze, ByTowerBlockAndPattern) {
  DualEncoder model = tiny_model();
  std::int64_t tower = 0;
  for (const auto& parameter : model->vision_model->parameters()) tower += parameter.numel();
  EXPECT_EQ(freeze_parameters(*model, {"vision_model"}, "freeze"), tower);
  freeze_parameters(*model, {"text_model.encoder.layers.0-0", "*.q_proj.bias", "logit_scale"}, "freeze");
  for (const auto& item : model->named_parameters()) {
    const std::string& name = item.key();
    const bool frozen = name.rfind("vision_model.", 0) == 0 ||
                        name.rfind("text_model.encoder.layers.0.", 0) == 0 ||
                        name.find("q_proj.bias") != std::string::npos || name == "logit_scale";
    EXPECT_EQ(item.value().requires_grad(), !frozen) << name;
  }
  EXPECT_NE(
      invalid_input_of([&] { freeze_parameters(*model, {"vision"}, "freeze"); }).find("\"vision\" fits no"),
      std::string::npos);
  EXPECT_NE(invalid_input_of([&] {
              freeze_parameters(*model, {"text_model.encoder.layers.7-9"}, "freeze");
            }).find("7-9"),
            std::string::npos);
}

}  // namespace
}  // namespace edgeclip
