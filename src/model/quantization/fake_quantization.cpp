#include "model/quantization/fake_quantization.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "bundle/activation_scale.h"
#include "bundle/excluded.h"

namespace edgeclip {

namespace {

constexpr const char* kWeightEnd = ".weight";

std::string layer_of(const std::string& weights) {
  EDGECLIP_CHECK(weights.size() > 7 && weights.compare(weights.size() - 7, 7, kWeightEnd) == 0, "{}", weights);
  return weights.substr(0, weights.size() - 7);
}

/// Whether an exclusion is in the name of some weights of these values.
bool excludes_some(const std::string& part, const char* tower, const std::vector<QuantizableValue>& values) {
  for (const QuantizableValue& value : values)
    for (const QuantizableWeights& weights : value.readers)
      if (has_excluded_part(weights.name, excluded_of({part}, tower))) return true;
  return false;
}

}  // namespace

FakeQuantization::FakeQuantization(DualEncoder model, int weight_bits, std::vector<std::string> exclude, const std::string& where)
    : model_(std::move(model)), weight_bits_(weight_bits), exclude_(std::move(exclude)) {
  const std::pair<const char*, std::vector<QuantizableValue>> towers[] = {{"image", model_->quantizable_image()},
                                                                          {"text", model_->quantizable_text()}};
  for (const std::string& part : exclude_)
    if (std::none_of(std::begin(towers), std::end(towers),
                     [&](const auto& tower) { return excludes_some(part, tower.first, tower.second); }))
      invalid_input("{}: \"{}\" is in the name of no weights that would become int8; {} is one", where, part,
                    towers[0].second.front().readers.front().name);
  for (const auto& [tower, values] : towers)
    for (const QuantizableValue& value : values) {
      Value read{std::make_shared<ValueRange>(), value.place, {}};
      for (const QuantizableWeights& weights : value.readers) {
        if (has_excluded_part(weights.name, excluded_of(exclude_, tower))) continue;
        if (weights.values > 0 && weights.values < kSmallestInt8Table) continue;
        bits_.push_back(weights.bits);
        read.layers.push_back(layer_of(weights.name));
      }
      if (value.place == nullptr || read.layers.empty()) continue;
      *value.place = read.range;
      values_.push_back(std::move(read));
    }
  if (values_.empty()) invalid_input("{}: leaves no layer that would become int8; leave fewer out", where);
}

FakeQuantization::~FakeQuantization() {
  round(false);
  for (const Value& value : values_) value.place->reset();
}

void FakeQuantization::observe(bool on) {
  for (const Value& value : values_) value.range->observes = on;
}

void FakeQuantization::round(bool on) {
  on = on && is_ready();
  for (const Value& value : values_) value.range->rounds = on;
  for (int* const bits : bits_) *bits = on ? weight_bits_ : 0;
}

bool FakeQuantization::is_ready() const { return values_.front().range->known; }

torch::Tensor FakeQuantization::seen() const {
  torch::Tensor both = torch::empty({1, static_cast<std::int64_t>(values_.size()), 2}, torch::kFloat);
  auto* at = both.data_ptr<float>();
  for (const Value& value : values_) {
    *at++ = -value.range->seen_low;
    *at++ = value.range->seen_high;
  }
  return both;
}

void FakeQuantization::move(const torch::Tensor& seen, double momentum) {
  const auto* at = seen.data_ptr<float>();
  for (const Value& value : values_) {
    ValueRange& range = *value.range;
    const float low = -*at++, high = *at++;
    if (!std::isfinite(low) || !std::isfinite(high)) continue;
    const auto average = [&](float before, float now) {
      return static_cast<float>(momentum * static_cast<double>(before) + (1 - momentum) * static_cast<double>(now));
    };
    range.low = range.known ? average(range.low, low) : low;
    range.high = range.known ? average(range.high, high) : high;
  }
  // All together: a step that leaves a value unseen has failed, and is not counted by its caller.
  for (const Value& value : values_) value.range->known = true;
  forget();
}

void FakeQuantization::forget() {
  for (const Value& value : values_) {
    value.range->seen_low = std::numeric_limits<float>::infinity();
    value.range->seen_high = -std::numeric_limits<float>::infinity();
  }
}

torch::Tensor FakeQuantization::ranges() const {
  torch::Tensor both = torch::empty({static_cast<std::int64_t>(values_.size()), 2}, torch::kFloat);
  auto* at = both.data_ptr<float>();
  for (const Value& value : values_) {
    *at++ = value.range->low;
    *at++ = value.range->high;
  }
  return both;
}

void FakeQuantization::set_ranges(const torch::Tensor& ranges, bool known) {
  EDGECLIP_CHECK(ranges.size(0) == static_cast<std::int64_t>(values_.size()) && ranges.size(1) == 2);
  const auto* at = ranges.data_ptr<float>();
  for (const Value& value : values_) {
    value.range->low = *at++;
    value.range->high = *at++;
    value.range->known = known;
  }
}

QuantizationRanges FakeQuantization::described() const {
  QuantizationRanges out;
  for (const Value& value : values_)
    for (const std::string& layer : value.layers)
      out.layers[layer] = {static_cast<double>(value.range->low), static_cast<double>(value.range->high)};
  out.weight_bits = weight_bits_;
  out.exclude = exclude_;
  return out;
}

}  // namespace edgeclip
