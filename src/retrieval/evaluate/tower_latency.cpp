#include "retrieval/evaluate/tower_latency.h"

#include <cstdint>

#include "base/error.h"
#include "base/measure.h"
#include "base/median.h"
#include "base/signals.h"

namespace edgeclip {

namespace {

constexpr int kWarmUps = 3, kRuns = 15;

/// A tower at one size of batch.
struct Timed {
  int batch;
  const char* tower;
  std::function<void(int run)> call;
  std::vector<double> ms{};
};

}  // namespace

double median_ms(const std::function<void()>& run) {
  std::vector<double> times;
  for (int i = 0; i < kWarmUps + kRuns; ++i) {
    throw_if_interrupted();
    const Stopwatch watch;
    run();
    if (i >= kWarmUps) times.push_back(watch.ms());
  }
  return median(times);
}

Json tower_latency(Encoder& encoder, const TensorView& pixels, const std::vector<std::string>& texts, const std::vector<int>& batches) {
  EDGECLIP_CHECK(!texts.empty(), "no captions");
  std::vector<Timed> timed;
  for (const int batch : batches) {
    if (batch < 1 || batch > encoder.max_batch())
      invalid_input("batch: {} is not within 1..{}, for which the model was built; build it with other batches", batch, encoder.max_batch());
    EDGECLIP_CHECK(batch <= pixels.shape[0], "{} images for a batch of {}", pixels.shape[0], batch);
    TensorView images = pixels;
    images.shape[0] = batch;
    timed.push_back({batch, "image", [&encoder, images](int) { encoder.encode_images(images); }});
    std::vector<Tensor> tokens;
    for (int run = 0; run < kRuns; ++run) {
      std::vector<std::string> captions;
      for (int i = 0; i < batch; ++i) captions.push_back(texts[static_cast<std::size_t>(run * batch + i) % texts.size()]);
      tokens.push_back(encoder.tokenizer()->encode_batch(captions, encoder.card().context_length));
    }
    timed.push_back({batch, "text", [&encoder, tokens = std::move(tokens)](int run) {
                       encoder.encode_tokens(tokens[static_cast<std::size_t>(run)].view());
                     }});
  }
  // Every shape once beforehand: the first time, kernels are prepared.
  for (int run = -kRuns; run < kRuns; ++run)
    for (Timed& t : timed) {
      throw_if_interrupted();
      const Stopwatch watch;
      t.call(run < 0 ? run + kRuns : run);
      if (run >= 0) t.ms.push_back(watch.ms());
    }
  Json json = Json::object();
  for (const Timed& t : timed) json[std::to_string(t.batch)][t.tower] = median(t.ms) / t.batch;
  return json;
}

}  // namespace edgeclip
