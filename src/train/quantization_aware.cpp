#include "train/quantization_aware.h"

#include <cmath>

#include "base/log.h"
#include "model/tensors.h"
#include "train/state_tensor.h"

namespace edgeclip {

namespace {

constexpr const char *kRangesTensor = "quantization.ranges", *kKnownTensor = "quantization.known";

std::int64_t part_of_run(double part, std::int64_t steps) {
  return static_cast<std::int64_t>(std::llround(part * static_cast<double>(steps)));
}

}  // namespace

QuantizationAware::QuantizationAware(const QuantizationAwareOptions& options, const DualEncoder& model, const Dataset& dataset,
                                     std::int64_t steps, Ranks& ranks)
    : options_(options), ranks_(ranks), start_(part_of_run(options.start, steps)), freeze_(part_of_run(options.freeze, steps)) {
  if (!options_.enabled) return;
  layers_ = std::make_unique<FakeQuantization>(model, options_.weight_bits, options_.exclude, "quantization_aware.exclude");
  trained_on_.data = dataset.name;
  trained_on_.split = "train";
  trained_on_.samples = static_cast<std::int64_t>(dataset.split(trained_on_.split).size());
  spdlog::info("int8 in the loop: {} activations are observed until step {} of {}, rounded from step {} on", layers_->ranges().size(0),
               freeze_, steps, std::max<std::int64_t>(1, start_));
}

void QuantizationAware::begin_step(std::int64_t step) {
  if (!layers_) return;
  observes_ = step < freeze_ || !layers_->is_ready();
  layers_->observe(observes_);
  layers_->round(step >= start_);
}

void QuantizationAware::end_step(bool counts) {
  if (!layers_) return;
  layers_->observe(false);
  layers_->round(false);
  if (observes_ && counts)
    layers_->move(ranks_.gathered(layers_->seen()).amax(0).contiguous(), options_.momentum);
  else
    layers_->forget();
}

QuantizationAware::Measuring::Measuring(QuantizationAware& quantization) : layers_(quantization.layers_.get()) {
  if (layers_ != nullptr) layers_->round(true);
}

QuantizationAware::Measuring::~Measuring() {
  if (layers_ != nullptr) layers_->round(false);
}

std::optional<StatePart> QuantizationAware::state() {
  if (!layers_) return {};
  const auto known = [this] { return torch::full({1}, layers_->is_ready() ? 1 : 0, torch::kInt64); };
  return StatePart{[this, known] {
                     return NamedTensors{{kRangesTensor, to_tensor(layers_->ranges())}, {kKnownTensor, to_tensor(known())}};
                   },
                   [this, known](const SafetensorsFile& file) {
                     const torch::Tensor ready = state_tensor(file, kKnownTensor, known());
                     layers_->set_ranges(state_tensor(file, kRangesTensor, layers_->ranges()), ready.item<std::int64_t>() != 0);
                   }};
}

void QuantizationAware::describe(Checkpoint& checkpoint) const {
  checkpoint.ranges.reset();
  if (!layers_ || !layers_->is_ready()) return;
  checkpoint.ranges = layers_->described();
  checkpoint.ranges->data = trained_on_.data;
  checkpoint.ranges->split = trained_on_.split;
  checkpoint.ranges->samples = trained_on_.samples;
  checkpoint.ranges->weights = float_weights_hash(checkpoint.model);
}

}  // namespace edgeclip
