#include "builder/quantize/bundle_candidates.h"

#include "base/signals.h"
#include "builder/quantize/measure_sqnr.h"

namespace edgeclip::builder {

BundleCandidates::BundleCandidates(TowerCandidates image, TowerCandidates text, RetrievalProbe probe)
    : image_(std::move(image)), text_(std::move(text)), probe_(std::move(probe)) {
  for (const auto& layer : image_.layers()) layers_.push_back({"image", layer.name, layer.nodes});
  for (const auto& layer : text_.layers()) layers_.push_back({"text", layer.name, layer.nodes});
}

const Tensor& BundleCandidates::embeddings(bool text, const Choice& int8, bool tables) {
  const std::size_t first = text ? image_.layers().size() : 0,
                    last = text ? layers_.size() : image_.layers().size();
  const TowerCandidates& tower = text ? text_ : image_;
  const Choice own(int8.lower_bound(first), int8.lower_bound(last));
  auto& seen = text ? texts_ : images_;
  const auto found = seen.find({own, tables});
  if (found != seen.end()) return found->second;
  throw_if_interrupted();
  std::set<std::string> keys;
  for (const std::size_t layer : own) keys.insert(tower.layers()[layer - first].key);
  ++runs_;
  const RunTower run = tower.tower(keys, tables);
  return seen[{own, tables}] = text ? probe_.embed_texts(run) : probe_.embed_images(run);
}

RetrievalScore BundleCandidates::score(const Choice& int8, bool tables) {
  const Tensor& images = embeddings(false, int8, tables);
  return probe_.score(images, embeddings(true, int8, tables));
}

double BundleCandidates::sqnr(std::size_t layer) {
  const bool text = layer >= image_.layers().size();
  const Tensor &want = embeddings(text, {}, false), &got = embeddings(text, {layer}, false);
  const float *e = want.data<float>(), *q = got.data<float>();
  double signal = 0, noise = 0;
  for (std::int64_t i = 0; i < want.elements(); ++i) {
    const double error = static_cast<double>(e[i]) - static_cast<double>(q[i]);
    signal += static_cast<double>(e[i]) * static_cast<double>(e[i]);
    noise += error * error;
  }
  return decibels(signal, noise);
}

}  // namespace edgeclip::builder
