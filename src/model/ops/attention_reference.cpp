#include <cmath>
#include <limits>

#include "model/ops/attention.h"

namespace edgeclip::ops {

namespace {

/// Of sequences of one length.  q: (B, Tq, W); k, v: (B, T, W); bias: (B, T) or undefined.
torch::Tensor attend_equal(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                           std::int64_t heads, bool causal, const torch::Tensor& bias, double dropout) {
  const auto B = k.size(0), T = k.size(1), d = k.size(2) / heads;
  const auto split = [&](const torch::Tensor& t) {  // (B, T, W) -> (B, heads, T, d)
    const torch::Tensor wide = t.scalar_type() == torch::kBFloat16 ? t.to(torch::kFloat) : t;
    return wide.reshape({B, t.size(1), heads, d}).transpose(1, 2);
  };
  torch::Tensor scores = torch::matmul(split(q) * (1.0 / std::sqrt(static_cast<double>(d))),
                                       split(k).transpose(2, 3));  // (B, heads, Tq, T)
  if (causal)
    scores = scores + torch::full({T, T}, -std::numeric_limits<float>::infinity(),
                                  scores.options().requires_grad(false))
                          .triu(1);
  if (bias.defined()) scores = scores + bias.view({B, 1, 1, T});
  torch::Tensor weights = torch::softmax(scores, -1);
  if (dropout > 0) weights = torch::dropout(weights, dropout, /*train=*/true);
  return torch::matmul(weights, split(v)).transpose(1, 2).reshape(q.sizes()).to(q.scalar_type());
}

}  // namespace

torch::Tensor attention_reference(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                                  std::int64_t heads, const Sequences& s, double dropout) {
  const bool one_query = q.size(0) != k.size(0), causal = s.causal && !one_query;
  if (s.count() == 0) return q;
  if (s.is_equal()) {
    const auto rows = [&](const torch::Tensor& t) { return t.reshape({s.count(), -1, t.size(-1)}); };
    const torch::Tensor bias = s.key_bias.defined() ? s.key_bias.reshape({s.count(), -1}) : torch::Tensor();
    return attend_equal(rows(q), rows(k), rows(v), heads, causal, bias, dropout).flatten(0, 1);
  }
  // Cut once: the gradient of a cut is one join, where each slice alone would give a whole tensor of zeros.
  std::vector<std::int64_t> lengths;
  for (std::int64_t b = 0; b < s.count(); ++b) lengths.push_back(s.length(b));
  const std::vector<torch::Tensor> keys = k.split_with_sizes(lengths), values = v.split_with_sizes(lengths),
                                   queries = one_query ? q.split(1) : q.split_with_sizes(lengths);
  std::vector<torch::Tensor> biases(lengths.size());
  if (s.key_bias.defined()) biases = s.key_bias.split_with_sizes(lengths);
  std::vector<torch::Tensor> parts;
  for (std::size_t b = 0; b < lengths.size(); ++b)
    parts.push_back(attend_equal(queries[b].unsqueeze(0), keys[b].unsqueeze(0), values[b].unsqueeze(0), heads, causal,
                                 biases[b].defined() ? biases[b].unsqueeze(0) : biases[b], dropout)
                        .squeeze(0));
  return torch::cat(parts);
}

}  // namespace edgeclip::ops
