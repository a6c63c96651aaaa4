#include "compress/selection.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace edgeclip {

namespace {

/// A layer's neurons in the order in which they would go.
struct Layer {
  std::vector<std::int64_t> order;  ///< neurons, least important first
  std::vector<double> score;        ///< as the ranking has it, of order[i]
  std::int64_t removed = 0;
  std::int64_t most = 0;  ///< that may be removed

  std::int64_t size() const { return static_cast<std::int64_t>(order.size()); }
  /// Neurons of the next group: the first one also brings the layer to a multiple.
  std::int64_t group(int multiple) const {
    const std::int64_t odd = (size() - removed) % multiple;
    return odd != 0 ? odd : multiple;
  }
  double group_score(std::int64_t n) const {
    return std::accumulate(score.begin() + removed, score.begin() + removed + n, 0.0) /
           static_cast<double>(n);
  }
};

/// What a layer's scores are divided by.
double divisor(const std::vector<float>& scores, Ranking ranking, double macs) {
  if (ranking == Ranking::score) return 1;
  if (ranking == Ranking::score_per_mac) return macs;
  const double sum = std::accumulate(scores.begin(), scores.end(), 0.0);
  return sum > 0 ? sum / static_cast<double>(scores.size()) : 1.0;
}

Layer ranked(const std::vector<float>& scores, const SelectionOptions& options, double macs) {
  for (const float score : scores) EDGECLIP_CHECK(std::isfinite(score), "a score is {}", score);  // no order among such
  Layer layer;
  layer.order.resize(scores.size());
  std::iota(layer.order.begin(), layer.order.end(), 0);
  std::stable_sort(layer.order.begin(), layer.order.end(), [&](std::int64_t a, std::int64_t b) {
    const float x = scores[static_cast<std::size_t>(a)], y = scores[static_cast<std::size_t>(b)];
    return x != y ? x < y : a > b;
  });
  const double by = divisor(scores, options.ranking, macs);
  for (const std::int64_t i : layer.order) layer.score.push_back(scores[static_cast<std::size_t>(i)] / by);
  const auto least =
      static_cast<std::int64_t>(std::ceil(options.min_keep * static_cast<double>(scores.size()) - 1e-9));
  layer.most = layer.size() - std::max<std::int64_t>(least, 1);
  return layer;
}

void remove_globally(std::vector<Layer>& layers, const SelectionOptions& options) {
  double total = 0;
  for (const Layer& layer : layers) total += static_cast<double>(layer.size());
  auto left = static_cast<std::int64_t>(std::floor(options.remove * total + 1e-9));
  for (;;) {
    Layer* cheapest = nullptr;
    double lowest = 0;
    for (Layer& layer : layers) {
      const std::int64_t n = layer.group(options.multiple);
      if (n > left || layer.removed + n > layer.most) continue;
      const double score = layer.group_score(n);
      if (cheapest == nullptr || score < lowest) cheapest = &layer, lowest = score;
    }
    if (cheapest == nullptr) return;
    const std::int64_t n = cheapest->group(options.multiple);
    cheapest->removed += n;
    left -= n;
  }
}

void remove_from_each(std::vector<Layer>& layers, const SelectionOptions& options) {
  for (Layer& layer : layers) {
    const auto wanted =
        static_cast<std::int64_t>(std::floor(options.remove * static_cast<double>(layer.size()) + 1e-9));
    for (;;) {
      const std::int64_t n = layer.group(options.multiple);
      if (layer.removed + n > std::min(wanted, layer.most)) break;
      layer.removed += n;
    }
  }
}

}  // namespace

std::vector<std::vector<std::int64_t>> select_neurons(const std::vector<std::vector<float>>& scores,
                                                      const SelectionOptions& options,
                                                      const std::vector<double>& macs) {
  EDGECLIP_CHECK(options.multiple >= 1);
  const bool by_macs = options.ranking == Ranking::score_per_mac;
  EDGECLIP_CHECK(!by_macs || macs.size() == scores.size(), "{} costs for {} layers", macs.size(), scores.size());
  std::vector<Layer> layers;
  for (std::size_t i = 0; i < scores.size(); ++i)
    layers.push_back(ranked(scores[i], options, by_macs ? macs[i] : 1));
  if (options.global)
    remove_globally(layers, options);
  else
    remove_from_each(layers, options);

  std::vector<std::vector<std::int64_t>> kept;
  for (const Layer& layer : layers) {
    kept.emplace_back(layer.order.begin() + layer.removed, layer.order.end());
    std::sort(kept.back().begin(), kept.back().end());
  }
  return kept;
}

}  // namespace edgeclip
