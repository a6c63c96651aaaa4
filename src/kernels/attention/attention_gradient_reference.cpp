#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/attention/attention_gradient.h"

namespace edgeclip::kernels {

namespace {

using Doubles = std::vector<double>;

double dot(const float* a, const float* b, std::int64_t n) {
  double sum = 0;
  for (std::int64_t d = 0; d < n; ++d) sum += static_cast<double>(a[d]) * static_cast<double>(b[d]);
  return sum;
}

void add(Doubles& to, std::int64_t row, double factor, const float* x, std::int64_t n) {
  for (std::int64_t d = 0; d < n; ++d)
    to[static_cast<std::size_t>(row * n + d)] += factor * static_cast<double>(x[d]);
}

void write(const Doubles& from, const HeadRows<float>& to, std::int64_t b, std::int64_t h, std::int64_t rows,
           std::int64_t n) {
  for (std::int64_t t = 0; t < rows; ++t)
    for (std::int64_t d = 0; d < n; ++d)
      to.at(b, t, h)[d] = static_cast<float>(from[static_cast<std::size_t>(t * n + d)]);
}

void head(const AttentionGradient& gradient, std::int64_t b, std::int64_t h) {
  const Attention& p = gradient.of;
  const AttentionMask& m = p.mask;
  const auto elements = [&](std::int64_t rows) { return static_cast<std::size_t>(rows * p.size); };
  Doubles q(elements(p.queries)), k(elements(p.keys)), v(elements(p.keys)),
      weights(static_cast<std::size_t>(p.keys)), slopes(weights.size());
  for (std::int64_t i = 0; i < p.queries; ++i) {
    const float* const g = gradient.g.at(b, i, h);
    double most = -std::numeric_limits<double>::infinity(), sum = 0, mean = 0;
    for (std::int64_t j = 0; j < p.keys; ++j) {
      double& score = weights[static_cast<std::size_t>(j)];
      score = static_cast<double>(p.scale) * dot(p.q.at(b, i, h), p.k.at(b, j, h), p.size);
      if (m.data) score += static_cast<double>(m.data[b * m.batch + h * m.head + i * m.query + j * m.key]);
      if (p.causal && j > i) score = -std::numeric_limits<double>::infinity();
      most = std::max(most, score);
    }
    for (double& weight : weights) sum += weight = std::exp(weight - most);
    for (std::int64_t j = 0; j < p.keys; ++j) {
      const auto at = static_cast<std::size_t>(j);
      weights[at] /= sum;
      mean += weights[at] * (slopes[at] = dot(g, p.v.at(b, j, h), p.size));
    }
    for (std::int64_t j = 0; j < p.keys; ++j) {
      const auto at = static_cast<std::size_t>(j);
      const double slope = static_cast<double>(p.scale) * weights[at] * (slopes[at] - mean);
      add(v, j, weights[at], g, p.size);
      add(q, i, slope, p.k.at(b, j, h), p.size);
      add(k, j, slope, p.q.at(b, i, h), p.size);
    }
  }
  write(q, gradient.q, b, h, p.queries, p.size);
  write(k, gradient.k, b, h, p.keys, p.size);
  write(v, gradient.v, b, h, p.keys, p.size);
}

}  // namespace

void attention_gradient_reference(const AttentionGradient& gradient) {
  for (std::int64_t b = 0; b < gradient.of.batch; ++b)
    for (std::int64_t h = 0; h < gradient.of.heads; ++h) head(gradient, b, h);
}

}  // namespace edgeclip::kernels
