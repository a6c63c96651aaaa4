#include "builder/quantize/choose_layers.h"

#include <algorithm>

#include "base/build_info.h"
#include "base/log.h"
#include "builder/import/onnx_import.h"
#include "builder/quantize/mixed_search.h"
#include "bundle/excluded.h"

namespace edgeclip::builder {
namespace {

constexpr int kSensitivityFormat = 1;

TowerCandidates candidates_of(const Bundle& bundle, bool text, const QuantizeOptions& options,
                              const std::optional<Calibration>& calibration) {
  GraphQuantization how;
  how.where = bundle.directory.string();
  how.label = text ? "text tower" : "image tower";
  how.options.exclude =
      excluded_of(calibration ? calibration->options.exclude : options.exclude, text ? "text" : "image");
  how.weight_bits = calibration ? calibration->weight_bits : options.weight_bits;
  if (calibration) how.ranges = text ? calibration->text : calibration->image;
  return {import_onnx(text ? bundle.text_onnx() : bundle.image_onnx()), std::move(how)};
}

Json float_layers(const std::vector<std::size_t>& stay, const Sensitivity& sensitivity,
                  const BundleCandidates& candidates) {
  const Json all = to_json(sensitivity, candidates)["layers"];
  Json layers = Json::array();
  for (std::size_t i = 0; i < sensitivity.layers.size(); ++i)
    if (std::find(stay.begin(), stay.end(), sensitivity.layers[i].layer) != stay.end())
      layers.push_back(all[i]);
  return layers;
}

void say(const Sensitivity& sensitivity, const MixedChoice& mixed, const BundleCandidates& candidates) {
  spdlog::info("R@1 {:.2f} in float32, {:.2f} in int8, {:.2f} with {} of {} layers in float32",
               sensitivity.fp32.r1, sensitivity.int8.r1, mixed.score.r1, mixed.stay.size(),
               candidates.layers().size());
}

}  // namespace

ChosenLayers choose_layers(const Bundle& bundle, const QuantizeOptions& options,
                           const std::optional<Calibration>& calibration, const OpenProbe& open_probe) {
  EDGECLIP_CHECK(open_probe, "nobody measures retrieval");
  BundleCandidates candidates(candidates_of(bundle, false, options, calibration),
                              candidates_of(bundle, true, options, calibration), open_probe(bundle));
  BundleCandidates::Choice all;
  for (std::size_t i = 0; i < candidates.layers().size(); ++i) all.insert(i);
  Sensitivity sensitivity;
  sensitivity.fp32 = candidates.score({}, false);
  sensitivity.int8 = candidates.score(all, true);
  const bool searches = options.max_recall_loss >= 0,
             enough = searches && sensitivity.int8.r1 >= sensitivity.fp32.r1 - options.max_recall_loss;
  if (!options.sensitivity.empty() || !enough) sensitivity = measure_sensitivity(candidates);

  if (!options.sensitivity.empty()) {
    // It begins as reports do, by which --overwrite knows it.
    Json file = {{"command", "quantize"},        {"program", "edgeclip"},    {"version", version()},
                 {"format", kSensitivityFormat}, {"bundle", options.bundle}, {"method", options.method},
                 {"data", options.data},         {"split", options.score_split}};
    file.update(to_json(sensitivity, candidates));
    write_json(options.sensitivity, file);
  }
  ChosenLayers chosen;
  if (!searches) return chosen;
  const MixedChoice mixed = enough ? MixedChoice{{}, sensitivity.int8}
                                   : find_mixed(candidates, sensitivity, options.max_recall_loss);
  for (const std::size_t layer : mixed.stay)
    for (const std::string& node : candidates.layers()[layer].nodes)
      chosen.exclude.push_back(candidates.layers()[layer].tower + ":=" + node);
  say(sensitivity, mixed, candidates);
  chosen.mixed = {{"max_recall_loss", options.max_recall_loss},
                  {"split", options.score_split},
                  {"images", candidates.probe().images},
                  {"captions", candidates.probe().captions},
                  {"fp32", to_json(sensitivity.fp32)},
                  {"int8", to_json(sensitivity.int8)},
                  {"result", to_json(mixed.score)},
                  {"int8_layers", candidates.layers().size() - mixed.stay.size()},
                  {"float_layers", float_layers(mixed.stay, sensitivity, candidates)},
                  {"tower_runs", candidates.runs()}};
  return chosen;
}

}  // namespace edgeclip::builder
