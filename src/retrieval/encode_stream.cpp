#include "retrieval/encode_stream.h"

#include <algorithm>

#include "base/error.h"
#include "data/image/transform.h"
#include "kernels/executor.h"
#include "retrieval/encode.h"

namespace edgeclip {

namespace {

constexpr int kUsualBatch = 32;

/// Those that the mode has.  Modes with threads for either take no more than the CPUs together, unless they are told to.
EncodeStreamOptions settled(EncodeStreamOptions o, const Encoder& encoder) {
  const auto& modes = encode_modes();
  if (std::find(modes.begin(), modes.end(), o.mode) == modes.end())
    invalid_input("mode: \"{}\" is none of {}", o.mode, fmt::join(modes, ", "));
  const auto only_one = [&](const char* name, int value, const char* use) {
    if (value > 1) invalid_input("{}: {} with mode {}, which has 1; {}", name, value, o.mode, use);
  };
  if (o.mode == "baseline" || o.mode == "batched") {
    only_one("producers", o.producers, "use mode parallel");
    only_one("consumers", o.consumers, "use mode static or dynamic");
    if (o.mode == "baseline") only_one("batch", o.batch, "use mode batched");
    o.producers = o.consumers = 1;
  }
  if (o.mode == "parallel") {
    only_one("consumers", o.consumers, "use mode static or dynamic");
    o.consumers = 1;
  }
  if (o.mode == "baseline") o.batch = 1;
  const int most = encoder.most_calls() > 0 ? encoder.most_calls() : o.threads;
  if (o.mode == "auto") {
    const bool alone = encoder.executor() == nullptr;  // a call of it takes all CPUs
    if (o.producers == 0) o.producers = o.threads;
    if (o.consumers == 0) o.consumers = alone ? 1 : std::max(1, std::min(most, o.threads));
    o.producers = std::max(o.producers, o.consumers);  // each thread does either
  } else {
    if (o.consumers == 0) o.consumers = std::max(1, std::min(most, o.threads / 2));
    if (o.producers == 0) o.producers = std::max(1, o.threads - o.consumers);
    if (o.one_reader) o.producers = 1;
    if (o.batch == 0) o.batch = kUsualBatch;
  }
  o.batch = std::min(o.batch, encoder.max_batch());
  return o;
}

EncodeTuner::Limits tuning(const EncodeStreamOptions& o, const EncodeStreamOptions& given, const Encoder& encoder) {
  EncodeTuner::Limits limits;
  limits.concurrent = o.consumers;
  limits.batch = o.batch > 0 ? o.batch : std::min(kUsualBatch, encoder.max_batch());
  limits.fixed_batch = o.batch > 0;
  limits.fixed_concurrent = o.mode != "auto" || given.consumers > 0;
  return limits;
}

DecodePipelineOptions pipeline_options(const EncodeStreamOptions& o, const EncodeSetting& setting, Encoder& encoder) {
  DecodePipelineOptions p;
  const ImageTransform& image = encoder.card().image;
  const std::int64_t bytes = 3LL * image.height * image.width;
  kernels::Executor* const executor = encoder.executor();
  p.workers = o.mode == "auto" ? o.producers : o.mode == "baseline" || o.mode == "batched" ? 1 : 0;
  if (p.workers == 0) {
    p.producers = o.producers;
    p.consumers = o.consumers;
  }
  p.batch = setting.batch;
  p.concurrent = setting.concurrent;
  p.fixed_shares = o.mode == "static";
  p.alternate = o.mode == "auto" && executor == nullptr;
  p.queued = std::min(o.queue_bytes / bytes, std::int64_t{2} * setting.batch * setting.concurrent);
  if (executor != nullptr)
    p.decoding = [executor](int change) { change > 0 ? executor->enter() : executor->leave(); };
  return p;
}

}  // namespace

const std::vector<std::string>& encode_modes() {
  static const std::vector<std::string> modes = {"baseline", "batched", "parallel", "static", "dynamic", "auto"};
  return modes;
}

EncodeStream::EncodeStream(Encoder& encoder, const EncodeStreamOptions& options)
    : encoder_(encoder),
      options_(settled(options, encoder)),
      tuner_(tuning(options_, options, encoder)),
      pipeline_(pipeline_options(options_, tuner_.setting(), encoder)) {}

void EncodeStream::run(const DecodePipeline::Next& next, const Sink& sink) {
  clock_ = Stopwatch();
  pipeline_.run(next, [&](std::vector<DecodedImage>& batch) { encode(batch, sink); });
}

EncodeStreamShape EncodeStream::shape() const {
  const std::lock_guard lock(tuner_mutex_);
  return {options_.producers, tuner_.setting().concurrent, tuner_.setting().batch};
}

void EncodeStream::encode(std::vector<DecodedImage>& batch, const Sink& sink) {
  std::size_t generation = 0;
  {
    const std::lock_guard lock(tuner_mutex_);
    generation = tuner_.generation();
  }
  const ImageTransform& transform = encoder_.card().image;
  const auto count = static_cast<std::int64_t>(batch.size()), plane = std::int64_t{3} * transform.height * transform.width;
  Tensor pixels(DType::f32, {count, 3, transform.height, transform.width});
  for (std::int64_t b = 0; b < count; ++b)
    normalize_pixels(batch[static_cast<std::size_t>(b)].image, transform, false, pixels.data<float>() + b * plane);
  const Tensor rows = encoder_.encode_images(pixels.view());
  check_embeddings(rows, count, encoder_);
  {
    const std::lock_guard lock(sink_mutex_);
    sink(batch, rows.data<float>());
  }
  if (options_.mode != "auto") return;
  const std::lock_guard lock(tuner_mutex_);
  if (tuner_.finished(static_cast<int>(count), clock_.seconds(), generation))
    pipeline_.set_taking(tuner_.setting().concurrent, tuner_.setting().batch);
}

}  // namespace edgeclip
