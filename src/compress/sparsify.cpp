#include "compress/sparsify.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "model/layer_weights.h"

namespace edgeclip {

namespace {

/// Sets the n smallest of all values of these tensors to 0.
void zero_smallest(const std::vector<torch::Tensor>& weights, std::int64_t n) {
  if (n <= 0) return;
  std::vector<float> sizes;
  for (const torch::Tensor& weight : weights) {
    const torch::Tensor dense = weight.detach().abs().to(torch::kCPU).to(torch::kFloat).contiguous();
    sizes.insert(sizes.end(), dense.data_ptr<float>(), dense.data_ptr<float>() + dense.numel());
  }
  const auto nth = sizes.begin() + (n - 1);
  std::nth_element(sizes.begin(), nth, sizes.end());
  const float limit = *nth;
  // Of those that are as large as the n-th, some stay: the first ones.
  std::int64_t stay = std::count(nth, sizes.end(), limit) - 1;
  for (torch::Tensor weight : weights) {
    const torch::Tensor size = weight.detach().abs();
    torch::Tensor goes = size <= limit;
    if (stay > 0) {
      const torch::Tensor equal = (size == limit).flatten().nonzero().flatten().slice(0, 0, stay);
      goes.view(-1).index_fill_(0, equal, false);
      stay -= equal.size(0);
    }
    weight.masked_fill_(goes, 0);
  }
}

std::int64_t part_of(double part, std::int64_t n) {
  return static_cast<std::int64_t>(std::floor(part * static_cast<double>(n) + 1e-9));
}

}  // namespace

void sparsify(DualEncoder& model, const SparsityOptions& options) {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> all;
  std::int64_t count = 0;
  for (const auto& [name, weight] : layer_weights(*model)) {
    if (!weight.isfinite().all().item<bool>())
      invalid_input("{}: holds values that are not finite, which have no order; train it again with a lower rate", name);
    all.push_back(weight);
    count += weight.numel();
  }
  if (options.threshold > 0)
    for (torch::Tensor& weight : all) weight.masked_fill_(weight.abs() < options.threshold, 0);
  if (options.global)
    zero_smallest(all, part_of(options.part, count));
  else
    for (const torch::Tensor& weight : all) zero_smallest({weight}, part_of(options.part, weight.numel()));
}

Json sparsity_report(const DualEncoder& model) {
  const auto entry = [](std::int64_t zeros, std::int64_t weights) {
    return Json{{"zeros", zeros}, {"weights", weights}, {"part", static_cast<double>(zeros) / static_cast<double>(weights)}};
  };
  Json layers = Json::array();
  std::int64_t zeros = 0, count = 0;
  for (const auto& [name, weight] : layer_weights(*model)) {
    const auto here = (weight == 0).sum().item<std::int64_t>();
    Json layer = entry(here, weight.numel());
    layer["name"] = name;
    layers.push_back(layer);
    zeros += here;
    count += weight.numel();
  }
  Json report = entry(zeros, count);
  report["layers"] = layers;
  return report;
}

}  // namespace edgeclip
