#include "model/weight.h"

#include <functional>
#include <map>

#include "model/lora/adapter_file.h"
#include "tiny_clip.h"

namespace edgeclip {
namespace {

using namespace test;

std::map<std::string, std::int64_t> versions(const DualEncoder& model) {
  std::map<std::string, std::int64_t> all;
  for (const auto& item : model->named_parameters()) all[item.key()] = weight_version(item.value());
  return all;
}

/// Whether write() moves the versions of all parameters whose name holds part, and takes none back.
void expect_moved(const DualEncoder& model, const char* part, const std::function<void()>& write) {
  const auto before = versions(model);
  write();
  std::size_t looked_at = 0;
  for (const auto& [name, version] : versions(model)) {
    const auto old = before.find(name);
    if (old == before.end()) continue;
    EXPECT_GE(version, old->second) << name;
    if (name.find(part) == std::string::npos) continue;
    EXPECT_GT(version, old->second) << name;
    ++looked_at;
  }
  EXPECT_GT(looked_at, 0u) << part;
}

TEST(Weight, EveryWriterMovesTheVersion) {
  DualEncoder model = tiny_model();
  expect_moved(model, "", [&] { load_weights(model, golden("tiny_clip/model.safetensors")); });
  expect_moved(model, "", [&] { initialize_weights(model); });
  model->adapters.add("default", read_adapter(*model, golden("adapters/bias_all")));
  expect_moved(model, "bias", [&] { model->adapters.use(""); });
  expect_moved(model, "bias", [&] { model->adapters.use("default"); });
  expect_moved(model, "q_proj.weight", [&] { model->adapters.merge(); });
  expect_moved(model, "q_proj.weight", [&] { model->adapters.unmerge(); });
  expect_moved(model, "q_proj.weight", [&] { model->adapters.store_base(torch::kBFloat16); });
  expect_moved(model, "q_proj.weight", [&] { model->merge_lora(); });
}

TEST(Weight, WhoWritesThroughAPointerSaysSo) {
  torch::Tensor weight = torch::ones({2, 2}).requires_grad_(true);
  const torch::Tensor y = (weight * weight).sum();
  const std::int64_t before = weight_version(weight);
  weight.data_ptr<float>()[0] = 2;
  weight_was_written(weight);
  EXPECT_GT(weight_version(weight), before);
  EXPECT_THROW(y.backward(), c10::Error) << "its gradient would be that of another weight";
}

TEST(Weight, TakesAValueOfAnotherShapeAndType) {
  torch::Tensor weight = torch::ones({2, 3}).requires_grad_(true);
  const torch::Tensor y = (weight * 2).sum();
  y.backward();
  const torch::Tensor value = torch::ones({4}, torch::kDouble);
  set_weight(weight, value);
  EXPECT_TRUE(weight.requires_grad());
  EXPECT_FALSE(weight.grad().defined());
  EXPECT_EQ(weight.data_ptr(), value.data_ptr());
  (weight * 3).sum().backward();
  EXPECT_TRUE(torch::equal(weight.grad(), torch::full({4}, 3, torch::kDouble)));
}

}  // namespace
}  // namespace edgeclip
