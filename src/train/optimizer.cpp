#include "train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace edgeclip {

namespace {

/// Tensors smaller than this are not worth waking other threads for.
constexpr std::int64_t kParallelElements = 1 << 15;

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

void copy_moment(const SafetensorsFile& file, const std::string& name, const torch::Tensor& like,
                 std::vector<float>& out) {
  const Tensor tensor = file.get(name);
  const Shape shape(like.sizes().begin(), like.sizes().end());
  if (tensor.dtype() != DType::f32 || tensor.shape() != shape)
    invalid_input("{}: {} is {} {}, expected float32 {}; start again without --resume", file.file(), name,
                  dtype_name(tensor.dtype()), shape_string(tensor.shape()), shape_string(shape));
  std::copy_n(tensor.data<float>(), out.size(), out.begin());
}

Tensor moment_tensor(const std::vector<float>& values, const torch::Tensor& like) {
  return Tensor::from<float>(Shape(like.sizes().begin(), like.sizes().end()), values);
}

}  // namespace

std::vector<TrainedParameter> trained_parameters(const torch::nn::Module& model) {
  std::vector<TrainedParameter> parameters;
  for (const auto& item : model.named_parameters())
    if (item.value().requires_grad())
      parameters.push_back({item.key(), item.value(), item.value().dim() >= 2});
  if (parameters.empty()) throw InvalidInput("the model has no parameter that trains");
  return parameters;
}

std::vector<TrainedParameter> trained_parameters(const torch::nn::Module& model,
                                                 const torch::nn::Module& objective) {
  std::vector<TrainedParameter> parameters = trained_parameters(model);
  for (const auto& item : objective.named_parameters())
    if (item.value().requires_grad())
      parameters.push_back({"objective." + item.key(), item.value(), item.value().dim() >= 2});
  return parameters;
}

AdamW::AdamW(std::vector<TrainedParameter> parameters, const OptimizerOptions& options)
    : parameters_(std::move(parameters)), options_(options) {
  for (const auto& parameter : parameters_) {
    EDGECLIP_CHECK(parameter.value.is_contiguous() && parameter.value.scalar_type() == torch::kFloat32 &&
                       parameter.value.device().is_cpu(),
                   "{} must be dense float32 on the CPU", parameter.name);
    const auto n = static_cast<std::size_t>(parameter.value.numel());
    moments_.push_back({std::vector<float>(n), std::vector<float>(n)});
  }
}

double AdamW::gradient_norm() const {
  double sum = 0;
  for (const auto& parameter : parameters_) {
    if (!parameter.value.grad().defined()) continue;
    const torch::Tensor gradient = dense_gradient(parameter);
    sum += squared_norm(gradient.data_ptr<float>(), gradient.numel());
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
  c.rate = static_cast<float>(lr / (1 - std::pow(options_.beta1, t)));
  c.root_correction = static_cast<float>(std::sqrt(1 - std::pow(options_.beta2, t)));
  c.gradient_scale = static_cast<float>(gradient_scale);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    TrainedParameter& parameter = parameters_[i];
    if (!parameter.value.grad().defined()) continue;
    const torch::Tensor gradient = dense_gradient(parameter);
    c.keep = static_cast<float>(1 - (parameter.decay ? lr * options_.weight_decay : 0.0));
    update(parameter.value.data_ptr<float>(), gradient.data_ptr<float>(), moments_[i].first.data(),
           moments_[i].second.data(), parameter.value.numel(), c);
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
    tensors.emplace_back("exp_avg." + parameters_[i].name,
                         moment_tensor(moments_[i].first, parameters_[i].value));
    tensors.emplace_back("exp_avg_sq." + parameters_[i].name,
                         moment_tensor(moments_[i].second, parameters_[i].value));
  }
  return tensors;
}

void AdamW::load_state(const SafetensorsFile& file, std::int64_t steps) {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    copy_moment(file, "exp_avg." + parameters_[i].name, parameters_[i].value, moments_[i].first);
    copy_moment(file, "exp_avg_sq." + parameters_[i].name, parameters_[i].value, moments_[i].second);
  }
  steps_ = steps;
}

double clip_scale(double norm, double max_norm) {
  return max_norm > 0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0;
}

}  // namespace edgeclip
