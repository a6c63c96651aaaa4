#include "compress/cost.h"

#include <map>

#include "base/error.h"
#include "model/profile.h"

namespace edgeclip {

PassCost::PassCost(const DualEncoder& model, const std::vector<PruneGroup>& groups, int tokens) {
  const ModelProfile profile = profile_model(model, 1, tokens);
  other_ = static_cast<double>(profile.image_macs + profile.text_macs);
  const auto parameters = model->named_parameters();
  std::map<std::string, std::size_t> index;
  weights_of_.resize(groups.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    units_.push_back(groups[g].units);
    unit_macs_.push_back(groups[g].unit_macs);
    other_ -= groups[g].unit_macs * static_cast<double>(groups[g].units);
    for (const TensorSlice& slice : groups[g].slices) {
      if (slice.applied == 0) continue;
      const auto [place, is_new] = index.emplace(slice.tensor, weights_.size());
      if (is_new) {
        weights_.push_back({slice.applied * static_cast<double>(parameters[slice.tensor].numel()), {}});
        other_ -= weights_.back().macs;
      }
      weights_[place->second].groups.push_back(g);
      weights_of_[g].push_back(place->second);
    }
  }
}

double PassCost::part(const Weight& weight, const std::vector<std::int64_t>& kept) const {
  double macs = weight.macs;
  for (const std::size_t g : weight.groups) macs *= static_cast<double>(kept[g]) / static_cast<double>(units_[g]);
  return macs;
}

double PassCost::macs(const std::vector<std::int64_t>& kept) const {
  EDGECLIP_CHECK(kept.size() == units_.size());
  double sum = other_;
  for (const Weight& weight : weights_) sum += part(weight, kept);
  for (std::size_t g = 0; g < kept.size(); ++g) sum += unit_macs_[g] * static_cast<double>(kept[g]);
  return sum;
}

double PassCost::saved(const std::vector<std::int64_t>& kept, std::size_t group, std::int64_t n) const {
  EDGECLIP_CHECK(n <= kept.at(group));
  std::vector<std::int64_t> left = kept;
  left[group] -= n;
  double sum = unit_macs_[group] * static_cast<double>(n);
  for (const std::size_t w : weights_of_[group]) sum += part(weights_[w], kept) - part(weights_[w], left);
  return sum;
}

}  // namespace edgeclip
