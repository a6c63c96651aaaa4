#include "train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "base/error.h"
#include "model/tensors.h"
#include "model/weight.h"
#include "train/state_tensor.h"

namespace edgeclip {

namespace {

/// Tensors smaller than this are not worth waking other threads for.
constexpr std::int64_t kParallelElements = 1 << 15;

constexpr const char* kSteps = "adamw_steps";

struct StepConstants {
  float keep;  ///< 1 - lr * weight decay
  float beta1, beta2, eps;
  float rate;             ///< lr / (1 - beta1^t)
  float root_correction;  ///< sqrt(1 - beta2^t)
  float gradient_scale;
};

void update(float* value, const float* gradient, float* first, float* second, std::int64_t n,
            const StepConstants& c) {
#pragma omp parallel for simd if (n >= kParallelElements)
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = gradient[i] * c.gradient_scale;
    first[i] = c.beta1 * first[i] + (1 - c.beta1) * g;
    second[i] = c.beta2 * second[i] + (1 - c.beta2) * g * g;
    value[i] = value[i] * c.keep - c.rate * first[i] / (std::sqrt(second[i]) / c.root_correction + c.eps);
  }
}

/// In parts of a fixed size that are added in order: the same whatever the number of threads.
double squared_norm(const float* x, std::int64_t n) {
  const std::int64_t parts = (n + kParallelElements - 1) / kParallelElements;
  std::vector<double> sums(static_cast<std::size_t>(parts));
#pragma omp parallel for if (parts > 1)
  for (std::int64_t p = 0; p < parts; ++p) {
    const std::int64_t end = std::min(n, (p + 1) * kParallelElements);
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = p * kParallelElements; i < end; ++i) sum += static_cast<double>(x[i]) * x[i];
    sums[static_cast<std::size_t>(p)] = sum;
  }
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

/// The gradient as dense floats; a copy only if LibTorch left it strided.
torch::Tensor dense_gradient(const TrainedParameter& parameter) {
  const torch::Tensor gradient = parameter.value.grad();
  EDGECLIP_CHECK(gradient.scalar_type() == torch::kFloat32, "gradient of {}", parameter.name);
  return gradient.contiguous();
}

/// The same where a parameter lies elsewhere than densely in the CPU's memory.
void update_by_operators(torch::Tensor& value, const torch::Tensor& gradient, torch::Tensor& first,
                         torch::Tensor& second, const StepConstants& c) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor g = gradient * c.gradient_scale;
  first.mul_(c.beta1).add_(g, 1 - c.beta1);
  second.mul_(c.beta2).addcmul_(g, g, 1 - c.beta2);
  value.mul_(c.keep).addcdiv_(first, second.sqrt().div_(c.root_correction).add_(c.eps), -c.rate);
}

bool lies_densely(const torch::Tensor& value) { return value.device().is_cpu() && value.is_contiguous(); }

}  // namespace

AdamW::AdamW(std::vector<TrainedParameter> parameters, const OptimizerOptions& options)
    : parameters_(std::move(parameters)), options_(options) {
  for (const auto& parameter : parameters_) {
    EDGECLIP_CHECK(parameter.value.scalar_type() == torch::kFloat32, "{} must be float32", parameter.name);
    const torch::Tensor like = parameter.value.detach();
    moments_.push_back({torch::zeros_like(like), torch::zeros_like(like)});
  }
}

double AdamW::gradient_norm() const {
  double sum = 0;
  for (const auto& parameter : parameters_) {
    if (!parameter.value.grad().defined()) continue;
    const torch::Tensor gradient = dense_gradient(parameter);
    sum += gradient.device().is_cpu() ? squared_norm(gradient.data_ptr<float>(), gradient.numel())
                                      : gradient.to(torch::kDouble).pow(2).sum().item<double>();
  }
  return std::sqrt(sum);
}

void AdamW::step(double lr, double gradient_scale) {
  ++steps_;
  const double t = static_cast<double>(steps_);
  StepConstants c{};
  c.beta1 = static_cast<float>(options_.beta1);
  c.beta2 = static_cast<float>(options_.beta2);
  c.eps = static_cast<float>(options_.eps);
  c.root_correction = static_cast<float>(std::sqrt(1 - std::pow(options_.beta2, t)));
  c.gradient_scale = static_cast<float>(gradient_scale);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    TrainedParameter& parameter = parameters_[i];
    if (!parameter.value.grad().defined()) continue;
    const torch::Tensor gradient = dense_gradient(parameter);
    const double rate = lr * parameter.rate,
                 decay = parameter.decay ? parameter.weight_decay.value_or(options_.weight_decay) : 0.0;
    c.rate = static_cast<float>(rate / (1 - std::pow(options_.beta1, t)));
    c.keep = static_cast<float>(1 - rate * decay);
    Moments& moments = moments_[i];
    if (lies_densely(parameter.value))
      update(parameter.value.data_ptr<float>(), gradient.data_ptr<float>(), moments.first.data_ptr<float>(),
             moments.second.data_ptr<float>(), parameter.value.numel(), c);
    else
      update_by_operators(parameter.value, gradient, moments.first, moments.second, c);
    weight_was_written(parameter.value);
  }
}

void AdamW::zero_gradients() {
  for (auto& parameter : parameters_) parameter.value.mutable_grad().reset();
}

std::int64_t AdamW::trained_elements() const {
  std::int64_t n = 0;
  for (const auto& parameter : parameters_) n += parameter.value.numel();
  return n;
}

NamedTensors AdamW::state() const {
  NamedTensors tensors;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    tensors.emplace_back("exp_avg." + parameters_[i].name, alias_tensor(moments_[i].first));
    tensors.emplace_back("exp_avg_sq." + parameters_[i].name, alias_tensor(moments_[i].second));
  }
  tensors.emplace_back(kSteps, to_tensor(torch::full({1}, steps_, torch::kInt64)));
  return tensors;
}

void AdamW::load_state(const SafetensorsFile& file) {
  const auto restore = [&](const std::string& name, torch::Tensor& moment) {
    moment.copy_(state_tensor(file, name, moment));
  };
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    restore("exp_avg." + parameters_[i].name, moments_[i].first);
    restore("exp_avg_sq." + parameters_[i].name, moments_[i].second);
  }
  if (file.contains(kSteps)) {
    steps_ = state_tensor(file, kSteps, torch::empty({1}, torch::kInt64)).item<std::int64_t>();
  } else {
    const auto step = file.metadata().find("step");
    steps_ = step == file.metadata().end() ? 0 : std::strtoll(step->second.c_str(), nullptr, 10);
  }
}

double clip_scale(double norm, double max_norm) {
  return max_norm > 0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0;
}

}  // namespace edgeclip
