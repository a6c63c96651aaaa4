#include "retrieval/evaluate/bench.h"

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "base/log.h"
#include "base/measure.h"
#include "base/progress.h"
#include "base/signals.h"
#include "data/image/image.h"
#include "data/image/transform.h"
#include "retrieval/encode.h"
#include "retrieval/search/search.h"

namespace edgeclip {
void BenchOptions::validate(const std::string& where) const {
  if (queries < 1) invalid_input("{}queries: {} is not at least 1", where, queries);
  if (batch < 1 || batch > 4096) invalid_input("{}batch: {} is not within 1..4096", where, batch);
  if (warmup < 0) invalid_input("{}warmup: {} is negative", where, warmup);
  if (top < 1) invalid_input("{}top: {} is not at least 1", where, top);
  if (!(soak_minutes >= 0) || soak_minutes > 1e6)
    invalid_input("{}soak_minutes: {} is not within 0..1000000", where, soak_minutes);
}

namespace {

/// Batches of queries until there are enough and the time is over; `query` answers so many and returns the seconds spent in the encoder.
QueryTimes time_queries(const char* what, const BenchOptions& options, double minutes, const std::function<double(int count)>& query) {
  for (int k = 0; k < options.warmup; ++k) {
    throw_if_interrupted();
    query(options.batch);
  }
  QueryTimes times;
  Progress progress(what, minutes > 0 ? 0 : options.queries, "queries");
  const Stopwatch clock;
  while (times.total_queries < options.queries || clock.seconds() < 60 * minutes) {
    try {
      throw_if_interrupted();
      const Stopwatch whole;
      times.total_inference_time_s += query(options.batch);  // always whole: another size would time the preparation of its kernels
      times.latency_ms.add(whole.ms(), options.batch);
      times.total_queries += options.batch;
    } catch (const Interrupted&) {
      if (times.total_queries == 0) throw;
      break;  // what was measured is measured
    }
    progress.advance(options.batch);
  }
  times.total_time_s = clock.seconds();
  return times;
}

}  // namespace

BenchReport run_benchmark(Encoder& encoder, const GallerySnapshot* gallery, const std::vector<std::filesystem::path>& paths,
                          const std::vector<std::string>& texts, const BenchOptions& options, const std::string& precision,
                          std::int64_t model_bytes) {
  options.validate("");
  if (paths.empty())
    invalid_input("bench: there are no images to ask for; name a dataset or folder that has some");
  if (options.batch > encoder.max_batch())
    invalid_input("batch: {} is more than the model was built for ({}); build it with a larger batch",
                  options.batch, encoder.max_batch());
  GallerySnapshot own;
  if (gallery == nullptr) {
    std::vector<GalleryItem> items;
    for (const auto& path : paths) items.push_back({path.string()});
    own = gallery_in_memory(manifest_for(encoder), items, encode_image_files(encoder, paths));
    gallery = &own;
  }
  if (const std::string note = require_same_space(*gallery, encoder, options.same_precision); !note.empty()) spdlog::info(note);

  const ImageTransform& transform = encoder.card().image;
  const std::size_t plane =
      3u * static_cast<std::size_t>(transform.height) * static_cast<std::size_t>(transform.width);
  SearchOptions search_options;
  search_options.top = options.top;
  const auto encode_and_search = [&](const std::function<Tensor()>& encode) {
    const Stopwatch inference;
    const Tensor rows = encode();
    const double seconds = inference.seconds();
    search(*gallery, rows.view(), search_options);
    return seconds;
  };
  ResourceSampler sampler;
  std::size_t next = 0;
  BenchReport report;
  static_cast<QueryTimes&>(report) = time_queries("benchmark", options, options.soak_minutes, [&](int count) {
    Tensor pixels(DType::f32, {count, 3, transform.height, transform.width});
    for (int b = 0; b < count; ++b, next = (next + 1) % paths.size())
      normalize_pixels(load_image(paths[next], transform), transform, false,
                       pixels.data<float>() + static_cast<std::size_t>(b) * plane);
    return encode_and_search([&] { return encoder.encode_images(pixels.view()); });
  });
  next = 0;
  const auto ask_texts = [&](int count) {
    std::vector<std::string> asked;
    for (int b = 0; b < count; ++b, next = (next + 1) % texts.size()) asked.push_back(texts[next]);
    const Tensor tokens = encoder.tokenizer()->encode_batch(asked, encoder.card().context_length);
    return encode_and_search([&] { return encoder.encode_tokens(tokens.view()); });
  };
  try {
    if (!texts.empty() && !interrupted()) report.text = time_queries("benchmark, texts", options, 0, ask_texts);
  } catch (const Interrupted&) {  // before the first text
  }
  report.usage = sampler.stop();
  report.interrupted = interrupted();
  report.precision = precision;
  report.batch = options.batch;
  report.model_mb = static_cast<double>(model_bytes) / (1024.0 * 1024.0);
  return report;
}

namespace {

Json times_json(const QueryTimes& t) {
  const auto queries = static_cast<double>(std::max<std::int64_t>(1, t.total_queries));
  return {{"total_queries", t.total_queries},
          {"total_time_s", t.total_time_s},
          {"total_inference_time_s", t.total_inference_time_s},
          {"avg_inference_time_s", t.total_inference_time_s / queries},
          {"avg_qps", t.total_time_s > 0 ? static_cast<double>(t.total_queries) / t.total_time_s : 0.0},
          {"latency_ms", latency_json(t.latency_ms)}};
}

}  // namespace

Json to_json(const BenchReport& r) {
  Json json = {{"precision", r.precision}, {"batch", r.batch}};
  json.update(times_json(r));
  json.update(usage_json(r.usage));
  json["model_mb"] = r.model_mb;
  if (r.text) json["text"] = times_json(*r.text);
  if (r.interrupted) json["interrupted"] = true;
  return json;
}

}  // namespace edgeclip
