#include "retrieval/index/pipeline.h"

#include <algorithm>
#include <thread>

#include "base/signals.h"
#include "data/image/transform.h"
#include "retrieval/encode.h"

namespace edgeclip {

EncodePipeline::EncodePipeline(Encoder& encoder, const PipelineOptions& options, Sink sink)
    : encoder_(encoder), options_(options), sink_(std::move(sink)), pushed_(static_cast<std::size_t>(options.producers)) {
  const ImageTransform& image = encoder.card().image;
  const std::int64_t bytes = 3LL * image.height * image.width, queues = options.dynamic ? 1 : options.consumers;
  const std::int64_t room = std::max<std::int64_t>(options.producers, std::min(options.queue_bytes / bytes / queues, std::int64_t{2} * options.batch));
  for (std::int64_t q = 0; q < queues; ++q)
    queues_.push_back(std::make_unique<BoundedQueue<Sample>>(static_cast<std::size_t>(std::max<std::int64_t>(room, 1))));
}

void EncodePipeline::run(const std::function<void(int)>& produce) {
  std::vector<std::jthread> producers, consumers;  // join, also when another thread cannot be started
  guarded([&] {
    for (int c = 0; c < options_.consumers; ++c)
      consumers.emplace_back([this, c] { guarded([&] { consume(c); }); });
    for (int p = 0; p < options_.producers; ++p)
      producers.emplace_back([this, p, &produce] { guarded([&] { produce(p); }); });
  });
  for (auto& thread : producers) thread.join();
  close();
  for (auto& thread : consumers) thread.join();
}

bool EncodePipeline::stopping() const { return stopped_ || interrupted(); }

void EncodePipeline::close() {
  for (auto& queue : queues_) queue->close();
}

/// The first exception of any thread ends all; error() has it.
void EncodePipeline::guarded(const std::function<void()>& body) {
  try {
    body();
  } catch (...) {
    std::lock_guard lock(error_mutex_);
    if (!error_) error_ = std::current_exception();
    stopped_ = true;
    close();
  }
}

void EncodePipeline::push(int producer, Sample sample) {
  // Static: each producer deals its images to the consumers in turn, whatever their numbers in the input are (frames of a video come in
  // steps).
  const std::int64_t at = producer + pushed_[static_cast<std::size_t>(producer)]++;
  queues_[static_cast<std::size_t>(at) % queues_.size()]->push(std::move(sample));
}

void EncodePipeline::consume(int consumer) {
  BoundedQueue<Sample>& queue = *queues_[static_cast<std::size_t>(consumer) % queues_.size()];
  std::vector<Sample> batch;
  while (auto sample = queue.pop()) {
    batch.push_back(std::move(*sample));
    if (static_cast<int>(batch.size()) == options_.batch) encode(batch);
  }
  if (!stopped_) encode(batch);
}

void EncodePipeline::encode(std::vector<Sample>& batch) {
  if (batch.empty()) return;
  const ImageTransform& transform = encoder_.card().image;
  const auto count = static_cast<std::int64_t>(batch.size()), plane = std::int64_t{3} * transform.height * transform.width;
  Tensor pixels(DType::f32, {count, 3, transform.height, transform.width});
  for (std::int64_t b = 0; b < count; ++b)
    normalize_pixels(batch[static_cast<std::size_t>(b)].image, transform, false, pixels.data<float>() + b * plane);
  const Tensor rows = encoder_.encode_images(pixels.view());
  check_embeddings(rows, count, encoder_);
  std::lock_guard lock(sink_mutex_);
  sink_(batch, rows.data<float>());
  batch.clear();
}

}  // namespace edgeclip
