#include "model/ops/layer_norm.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "model/ops/elements.h"
#include "model/ops/first_derivative.h"
#include "model/ops/layer_norm_simd.h"

namespace edgeclip::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kRowsOfATask = 64;  ///< gradients of weights are summed task by task, in order
constexpr std::int64_t kValuesOfATask = 1 << 15;

layer_norm_simd::Elements elements_of(const torch::Tensor& x) {
  if (!x.defined()) return {};
  if (x.scalar_type() == torch::kBFloat16) return {nullptr, elements<std::uint16_t>(x)};
  return {elements<float>(x), nullptr};
}

bool is_float_here(const torch::Tensor& x) { return x.device().is_cpu() && x.scalar_type() == torch::kFloat; }

/// body(first row, row behind the last), in parts of kRowsOfATask, divided over LibTorch's threads.
template <class Body>
void for_tasks(std::int64_t rows, const Body& body) {
  at::parallel_for(0, (rows + kRowsOfATask - 1) / kRowsOfATask, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task)
      body(task, task * kRowsOfATask, std::min(rows, (task + 1) * kRowsOfATask));
  });
}

struct Normalized {
  torch::Tensor sum, y, mean, inverse;
};

Normalized normalize_pass(const torch::Tensor& x, const torch::Tensor& branch, const torch::Tensor& weight,
                          const torch::Tensor& bias, double eps, ComputeType compute, bool keep) {
  const std::int64_t width = x.size(-1), rows = width == 0 ? 0 : x.numel() / width;
  Normalized out;
  out.sum = branch.defined() ? torch::empty_like(x) : x;
  out.y = torch::empty(x.sizes(), compute == ComputeType::bf16 ? torch::kBFloat16 : torch::kFloat);
  layer_norm_simd::Forward work;
  if (keep) {
    out.mean = torch::empty({rows});
    out.inverse = torch::empty({rows});
    work.mean = elements<float>(out.mean);
    work.inverse = elements<float>(out.inverse);
  }
  work.x = elements<float>(x);
  work.branch = elements_of(branch);
  if (branch.defined()) work.sum = elements<float>(out.sum);
  work.weight = elements<float>(weight);
  work.bias = elements<float>(bias);
  work.eps = static_cast<float>(eps);
  work.y = elements_of(out.y);
  for_tasks(rows, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    layer_norm_simd::forward(work, width, begin, end);
  });
  return out;
}

/// What is not differentiated, or may be undefined, which an input that autograd sees may not.
struct Constants {
  double eps;
  ComputeType compute;
};

/// Gradients of {x, weight, bias} and, rounded, of a bfloat16 branch.
variable_list gradient_pass(AutogradContext* context, const torch::Tensor& g_y, torch::Tensor g_sum,
                            bool of_weights, bool rounded) {
  refuse_second_derivative("LayerNorm");
  const auto saved = context->get_saved_variables();
  const torch::Tensor &sum = saved[0], &weight = saved[1];
  const std::int64_t width = sum.size(-1), rows = sum.numel() / std::max<std::int64_t>(width, 1),
                     tasks = (rows + kRowsOfATask - 1) / kRowsOfATask;
  const torch::Tensor g = g_y.contiguous(), other = g_sum.defined() ? g_sum.contiguous() : g_sum;
  torch::Tensor g_x = torch::empty_like(sum), g_branch, g_weights, g_biases;
  layer_norm_simd::Backward work;
  work.sum = elements<float>(sum);
  work.weight = elements<float>(weight);
  work.mean = elements<float>(saved[2]);
  work.inverse = elements<float>(saved[3]);
  work.g_y = elements_of(g);
  if (other.defined()) work.g_sum = elements<float>(other);
  work.g_x = elements<float>(g_x);
  if (rounded) {
    g_branch = torch::empty(sum.sizes(), torch::kBFloat16);
    work.g_branch = elements<std::uint16_t>(g_branch);
  }
  if (of_weights) {
    g_weights = torch::zeros({tasks, width});
    g_biases = torch::zeros({tasks, width});
  }
  for_tasks(rows, [&](std::int64_t task, std::int64_t begin, std::int64_t end) {
    layer_norm_simd::Backward part = work;
    if (of_weights) {
      part.g_weight = g_weights.data_ptr<float>() + task * width;
      part.g_bias = g_biases.data_ptr<float>() + task * width;
    }
    layer_norm_simd::backward(part, width, begin, end);
  });
  if (of_weights) return {g_x, g_weights.sum(0), g_biases.sum(0), g_branch};
  return {g_x, {}, {}, g_branch};
}

class LayerNorm : public torch::autograd::Function<LayerNorm> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x, const torch::Tensor& weight,
                               const torch::Tensor& bias, const Constants& constants) {
    const Normalized out = normalize_pass(x, {}, weight, bias, constants.eps, constants.compute, true);
    context->save_for_backward({x, weight, out.mean, out.inverse});
    return out.y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const bool of_weights = context->needs_input_grad(1) || context->needs_input_grad(2);
    const variable_list g = gradient_pass(context, gradients[0], {}, of_weights, false);
    return {g[0], g[1], g[2], {}};
  }
};

class AddLayerNorm : public torch::autograd::Function<AddLayerNorm> {
 public:
  static variable_list forward(AutogradContext* context, const torch::Tensor& x, const torch::Tensor& branch,
                               const torch::Tensor& weight, const torch::Tensor& bias,
                               const Constants& constants) {
    const Normalized out = normalize_pass(x, branch, weight, bias, constants.eps, constants.compute, true);
    context->save_for_backward({out.sum, weight, out.mean, out.inverse});
    context->saved_data["rounded"] = branch.scalar_type() == torch::kBFloat16;
    context->set_materialize_grads(false);
    return {out.sum, out.y};
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const bool rounded = context->saved_data["rounded"].toBool();
    const torch::Tensor &g_sum = gradients[0], &g_y = gradients[1];
    if (!g_y.defined())  // the sum alone was used
      return {g_sum, rounded && g_sum.defined() ? g_sum.to(torch::kBFloat16) : g_sum, {}, {}, {}};
    const bool of_weights = context->needs_input_grad(2) || context->needs_input_grad(3);
    const variable_list g = gradient_pass(context, g_y, g_sum, of_weights, rounded);
    return {g[0], rounded ? g[3] : g[0], g[1], g[2], {}};
  }
};

torch::Tensor sum_of(const torch::Tensor& x, const torch::Tensor& branch) {
  torch::Tensor sum = torch::empty_like(x);
  const float* const in = elements<float>(x);
  const auto* const added = elements<std::uint16_t>(branch);
  float* const out = elements<float>(sum);
  at::parallel_for(0, x.numel(), kValuesOfATask, [&](std::int64_t begin, std::int64_t end) {
    layer_norm_simd::add(in + begin, added + begin, out + begin, end - begin);
  });
  return sum;
}

class AddBranch : public torch::autograd::Function<AddBranch> {
 public:
  static torch::Tensor forward(AutogradContext*, const torch::Tensor& x, const torch::Tensor& branch) {
    return sum_of(x, branch);
  }
  static variable_list backward(AutogradContext*, variable_list gradients) {
    return {gradients[0], gradients[0].to(torch::kBFloat16)};
  }
};

bool is_ours(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias) {
  const auto read = [](const torch::Tensor& t) {
    return t.defined() && is_float_here(t) && t.is_contiguous();
  };
  return is_float_here(x) && read(weight) && read(bias);
}

bool needs_graph(const variable_list& inputs) {
  if (!torch::GradMode::is_enabled()) return false;
  for (const auto& input : inputs)
    if (input.requires_grad()) return true;
  return false;
}

torch::Tensor plain(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                    double eps, ComputeType compute) {
  return as_operand(torch::layer_norm(x, {x.size(-1)}, weight, bias, eps), compute);
}

}  // namespace

torch::Tensor layer_norm(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                         double eps, ComputeType compute) {
  if (!is_ours(x, weight, bias)) return plain(x, weight, bias, eps, compute);
  const torch::Tensor dense = x.contiguous();
  if (needs_graph({dense, weight, bias}))
    return LayerNorm::apply(dense, weight, bias, Constants{eps, compute});
  return normalize_pass(dense, {}, weight, bias, eps, compute, false).y;
}

std::pair<torch::Tensor, torch::Tensor> add_layer_norm(const torch::Tensor& x, const torch::Tensor& branch,
                                                       const torch::Tensor& weight, const torch::Tensor& bias,
                                                       double eps, ComputeType compute) {
  if (!is_ours(x, weight, bias) || !has_elements(branch) || x.sizes() != branch.sizes()) {
    const torch::Tensor sum = x + branch;
    return {sum, plain(sum, weight, bias, eps, compute)};
  }
  const torch::Tensor dense = x.contiguous(), added = branch.contiguous();
  if (needs_graph({dense, added, weight, bias})) {
    const variable_list out = AddLayerNorm::apply(dense, added, weight, bias, Constants{eps, compute});
    return {out[0], out[1]};
  }
  const Normalized out = normalize_pass(dense, added, weight, bias, eps, compute, false);
  return {out.sum, out.y};
}

torch::Tensor add_branch(const torch::Tensor& x, const torch::Tensor& branch) {
  if (!is_float_here(x) || !branch.device().is_cpu() || branch.scalar_type() != torch::kBFloat16 ||
      x.sizes() != branch.sizes())
    return x + branch;
  const torch::Tensor dense = x.contiguous(), added = branch.contiguous();
  return needs_graph({dense, added}) ? AddBranch::apply(dense, added) : sum_of(dense, added);
}

}  // namespace edgeclip::ops
