#include "retrieval/bench.h"

#include <algorithm>

#include "base/error.h"
#include "base/measure.h"
#include "base/progress.h"
#include "base/signals.h"
#include "data/image/image.h"
#include "data/image/transform.h"
#include "retrieval/encode.h"
#include "retrieval/search.h"

namespace edgeclip {
void BenchOptions::validate(const std::string& where) const {
  if (queries < 1) invalid_input("{}queries: {} is not at least 1", where, queries);
  if (batch < 1 || batch > 4096) invalid_input("{}batch: {} is not within 1..4096", where, batch);
  if (warmup < 0) invalid_input("{}warmup: {} is negative", where, warmup);
  if (top < 1) invalid_input("{}top: {} is not at least 1", where, top);
  if (!(soak_minutes >= 0) || soak_minutes > 1e6)
    invalid_input("{}soak_minutes: {} is not within 0..1000000", where, soak_minutes);
}

BenchReport run_benchmark(Encoder& encoder, const Gallery* gallery,
                          const std::vector<std::filesystem::path>& paths, const BenchOptions& options,
                          const std::string& precision, std::int64_t model_bytes) {
  options.validate("");
  if (paths.empty())
    invalid_input("bench: there are no images to ask for; name a dataset or folder that has some");
  if (options.batch > encoder.max_batch())
    invalid_input("batch: {} is more than the model was built for ({}); build it with a larger batch",
                  options.batch, encoder.max_batch());
  Gallery own;
  if (gallery == nullptr) {
    own = gallery_for(encoder);
    own.embeddings = encode_image_files(encoder, paths);
    for (const auto& path : paths) own.items.push_back({path.string(), -1, -1});
    gallery = &own;
  }
  require_same_model(*gallery, encoder);

  const ImageTransform& transform = encoder.card().image;
  const std::size_t plane =
      3u * static_cast<std::size_t>(transform.height) * static_cast<std::size_t>(transform.width);
  SearchOptions search_options;
  search_options.top = options.top;
  BenchReport report;
  report.precision = precision;
  report.batch = options.batch;
  report.model_mb = static_cast<double>(model_bytes) / (1024.0 * 1024.0);
  std::size_t next = 0;
  const auto run_batch = [&](int count, bool timed) {
    const Stopwatch whole;
    Tensor pixels(DType::f32, {count, 3, transform.height, transform.width});
    for (int b = 0; b < count; ++b, next = (next + 1) % paths.size())
      normalize_pixels(load_image(paths[next], transform), transform, false,
                       pixels.data<float>() + static_cast<std::size_t>(b) * plane);
    const Stopwatch inference;
    const Tensor rows = encoder.encode_images(pixels.view());
    const double encoded = inference.seconds();
    search(*gallery, rows.view(), search_options);
    if (!timed) return;
    report.total_inference_time_s += encoded;
    report.total_queries += count;
    report.latency_ms.add(whole.ms(), count);
  };
  for (int k = 0; k < options.warmup; ++k) {
    throw_if_interrupted();
    run_batch(options.batch, false);
  }
  next = 0;
  Progress progress("benchmark", options.soak_minutes > 0 ? 0 : options.queries, "queries");
  ResourceSampler sampler;
  const Stopwatch clock;
  while (report.total_queries < options.queries || clock.seconds() < 60 * options.soak_minutes) {
    throw_if_interrupted();
    run_batch(options.batch, true);  // always whole: another size would time the preparation of its kernels
    progress.advance(options.batch);
  }
  report.total_time_s = clock.seconds();
  report.usage = sampler.stop();
  return report;
}

Json to_json(const BenchReport& r) {
  const auto queries = static_cast<double>(std::max<std::int64_t>(1, r.total_queries));
  Json json = {{"precision", r.precision},
          {"batch", r.batch},
          {"total_queries", r.total_queries},
          {"total_time_s", r.total_time_s},
          {"total_inference_time_s", r.total_inference_time_s},
          {"avg_inference_time_s", r.total_inference_time_s / queries},
          {"avg_qps", r.total_time_s > 0 ? static_cast<double>(r.total_queries) / r.total_time_s : 0.0},
          {"latency_ms", latency_json(r.latency_ms)}};
  json.update(usage_json(r.usage));
  json["model_mb"] = r.model_mb;
  return json;
}

}  // namespace edgeclip
