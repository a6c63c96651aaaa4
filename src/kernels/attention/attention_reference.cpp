#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/attention/attention.h"

namespace edgeclip::kernels {

namespace {

constexpr double kHidden = -std::numeric_limits<double>::infinity();

/// In place; whether the row has a softmax.
bool softmax(std::vector<double>& row) {
  const double most = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (double& x : row) sum += x = std::exp(x - most);  // NaN where all are hidden
  for (double& x : row) x /= sum;
  return !std::isnan(sum);
}

}  // namespace

void attend_reference(const Attention& p) {
  std::vector<double> weights(static_cast<std::size_t>(p.keys));
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t h = 0; h < p.heads; ++h)
      for (std::int64_t i = 0; i < p.queries; ++i) {
        const float* q = p.q.at(b, i, h);
        for (std::int64_t j = 0; j < p.keys; ++j) {
          const float* k = p.k.at(b, j, h);
          double score = 0;
          for (std::int64_t d = 0; d < p.size; ++d)
            score += static_cast<double>(q[d]) * static_cast<double>(k[d]);
          score *= static_cast<double>(p.scale);
          const AttentionMask& m = p.mask;
          if (m.data)
            score += static_cast<double>(m.data[b * m.batch + h * m.head + i * m.query + j * m.key]);
          weights[static_cast<std::size_t>(j)] = p.causal && j > i ? kHidden : score;
        }
        float* y = p.y.at(b, i, h);
        if (!softmax(weights)) {
          std::fill_n(y, p.size, p.safe ? 0.0F : std::numeric_limits<float>::quiet_NaN());
          continue;
        }
        for (std::int64_t d = 0; d < p.size; ++d) {
          double sum = 0;
          for (std::int64_t j = 0; j < p.keys; ++j)
            sum += weights[static_cast<std::size_t>(j)] * static_cast<double>(p.v.at(b, j, h)[d]);
          y[d] = static_cast<float>(sum);
        }
      }
}

}  // namespace edgeclip::kernels
