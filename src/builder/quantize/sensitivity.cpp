#include "builder/quantize/sensitivity.h"

#include <algorithm>

#include "base/progress.h"

namespace edgeclip::builder {

Sensitivity measure_sensitivity(BundleCandidates& candidates) {
  const std::size_t count = candidates.layers().size();
  Sensitivity result;
  BundleCandidates::Choice all;
  for (std::size_t i = 0; i < count; ++i) all.insert(i);
  result.fp32 = candidates.score({}, false);
  result.int8 = candidates.score(all, true);
  Progress progress("sensitivity", static_cast<std::int64_t>(count), "layers");
  for (std::size_t i = 0; i < count; ++i) {
    const double sqnr = candidates.sqnr(i);
    result.layers.push_back({i, sqnr, candidates.score({i}, false)});
    progress.advance();
  }
  std::stable_sort(
      result.layers.begin(), result.layers.end(),
      [](const LayerSensitivity& a, const LayerSensitivity& b) { return a.sqnr_db < b.sqnr_db; });
  return result;
}

Json to_json(const RetrievalScore& score) { return {{"R@1", score.r1}, {"mAP", score.map}}; }

Json to_json(const Sensitivity& sensitivity, const BundleCandidates& candidates) {
  Json layers = Json::array();
  for (const LayerSensitivity& one : sensitivity.layers) {
    const BundleCandidates::Layer& layer = candidates.layers()[one.layer];
    layers.push_back({{"tower", layer.tower},
                      {"layer", layer.name},
                      {"nodes", layer.nodes},
                      {"sqnr_db", one.sqnr_db},
                      {"R@1", one.score.r1},
                      {"mAP", one.score.map},
                      {"R@1_loss", sensitivity.fp32.r1 - one.score.r1},
                      {"mAP_loss", sensitivity.fp32.map - one.score.map}});
  }
  return {{"images", candidates.probe().images},
          {"captions", candidates.probe().captions},
          {"fp32", to_json(sensitivity.fp32)},
          {"int8", to_json(sensitivity.int8)},
          {"layers", layers}};
}

}  // namespace edgeclip::builder
