#include "retrieval/evaluate/bench.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/signals.h"
#include "retrieval/encode.h"
#include "retrieval/evaluate/query_stream.h"

namespace edgeclip {

void BenchOptions::validate(const std::string& where) const {
  if (queries < 1) invalid_input("{}queries: {} is not at least 1", where, queries);
  if (batch < 1 || batch > 4096) invalid_input("{}batch: {} is not within 1..4096", where, batch);
  if (warmup < 0) invalid_input("{}warmup: {} is negative", where, warmup);
  if (top < 1) invalid_input("{}top: {} is not at least 1", where, top);
  if (blocks < 0 || blocks > 1000) invalid_input("{}blocks: {} is not within 0..1000", where, blocks);
}

GallerySnapshot gallery_of_images(Encoder& encoder, const std::vector<std::filesystem::path>& paths) {
  std::vector<GalleryItem> items;
  for (const auto& path : paths) items.push_back({path.string()});
  return gallery_in_memory(manifest_for(encoder), items, encode_image_files(encoder, paths));
}

namespace {

using Galleries = std::map<std::string, GallerySnapshot>;

/// Which of the galleries made here a model searches.
std::string gallery_key(const Encoder& encoder, const BenchOptions& options) {
  return options.same_precision ? encoder.model_hash() : encoder.embedding_space();
}

/// One model and what is known of it so far.
class Measurement {
 public:
  Measurement(const BenchModel& model, QueryStream stream, const BenchOptions& options, Progress& progress)
      : model_(model), stream_(stream), options_(options), progress_(progress) {
    report_.name = model.name;
    report_.precision = model.precision;
    report_.batch = options.batch;
    report_.model_mb = static_cast<double>(model.bytes) / (1024.0 * 1024.0);
  }

  /// Opens the model, asks so many batches of images and of texts, and closes it.  Throws Interrupted on a signal, with what was
  /// measured until then kept.
  void run_block(const GallerySnapshot* given, const Galleries& own, std::int64_t batches) {
    const Stopwatch since_open;
    const std::shared_ptr<Encoder> encoder = model_.open();
    const double open_ms = since_open.ms();
    const GallerySnapshot& gallery = given != nullptr ? *given : own.at(gallery_key(*encoder, options_));
    const auto ask_images = [&] { return stream_.ask_images(*encoder, gallery, options_.batch); };
    const auto ask_texts = [&] { return stream_.ask_texts(*encoder, gallery, options_.batch); };
    start_cold(open_ms, ask_images, report_.cold_start.image_ms);
    if (stream_.has_texts()) start_cold(open_ms, ask_texts, report_.cold_start.text_ms);
    report_.cold_start.open_ms.add(open_ms);
    ResourceSampler sampler;
    try {
      time_queries("images", batches, report_, ask_images);
      if (stream_.has_texts()) time_texts(batches, ask_texts);
    } catch (const Interrupted&) {
      usages_.push_back(sampler.stop());
      throw;
    }
    usages_.push_back(sampler.stop());
  }

  bool measured_any() const { return report_.total_queries > 0; }
  BenchReport report() const {
    BenchReport whole = report_;
    whole.usage = combined(usages_);
    whole.interrupted = interrupted();
    return whole;
  }

 private:
  template <class Ask>
  static void start_cold(double open_ms, const Ask& ask, QuantileSketch& ms) {
    const Stopwatch first;
    ask();
    ms.add(open_ms + first.ms());
  }

  template <class Ask>
  void time_texts(std::int64_t batches, const Ask& ask) {
    QueryTimes times = report_.text.value_or(QueryTimes());
    try {
      time_queries("texts", batches, times, ask);
    } catch (const Interrupted&) {
      if (times.total_queries > 0) report_.text = times;
      throw;
    }
    report_.text = times;
  }

  template <class Ask>
  void time_queries(const char* what, std::int64_t batches, QueryTimes& times, const Ask& ask) {
    for (int k = 0; k < options_.warmup; ++k) {
      throw_if_interrupted();
      ask();
    }
    const std::string note = model_.name.empty() ? what : fmt::format("{}, {}", model_.name, what);
    const Stopwatch clock;
    const double before = times.total_time_s;
    for (std::int64_t k = 0; k < batches; ++k) {
      throw_if_interrupted();
      const Stopwatch whole;
      const double inference = ask();  // always a whole batch: another size would time the preparation of its kernels
      times.latency_ms.add(whole.ms(), options_.batch);
      times.total_inference_time_s += inference;
      times.total_queries += options_.batch;
      times.total_time_s = before + clock.seconds();
      progress_.advance(options_.batch, note);
    }
  }

  const BenchModel& model_;
  QueryStream stream_;
  const BenchOptions& options_;
  Progress& progress_;
  BenchReport report_;
  std::vector<ResourceUsage> usages_;
};

/// Refuses what cannot be measured before anything is, and makes the galleries that are searched.
Galleries prepare(const std::vector<BenchModel>& models, const GallerySnapshot* gallery, const std::vector<std::filesystem::path>& paths,
                  const BenchOptions& options) {
  Galleries own;
  for (const BenchModel& model : models) {
    const std::shared_ptr<Encoder> encoder = model.open();
    if (options.batch > encoder->max_batch())
      invalid_input("batch: {} is more than {} was built for ({}); build it with a larger batch", options.batch,
                    model.name.empty() ? "the model" : model.name, encoder->max_batch());
    const std::string key = gallery_key(*encoder, options);
    if (gallery == nullptr && own.count(key) == 0) own[key] = gallery_of_images(*encoder, paths);
    const GallerySnapshot& searched = gallery != nullptr ? *gallery : own.at(key);
    if (const std::string note = require_same_space(searched, *encoder, options.same_precision); !note.empty()) spdlog::info(note);
  }
  return own;
}

}  // namespace

std::vector<BenchReport> run_benchmarks(const std::vector<BenchModel>& models, const GallerySnapshot* gallery,
                                        const std::vector<std::filesystem::path>& paths, const std::vector<std::string>& texts,
                                        const BenchOptions& options) {
  options.validate("");
  EDGECLIP_CHECK(!models.empty(), "no model to measure");
  if (paths.empty())
    invalid_input("bench: there are no images to ask for; name a dataset or folder that has some");
  const Galleries own = prepare(models, gallery, paths, options);
  const std::int64_t batches = (std::int64_t{options.queries} + options.batch - 1) / options.batch;
  const std::int64_t wanted = options.blocks > 0 ? options.blocks : models.size() > 1 ? 4 : 1, blocks = std::min(wanted, batches);
  const auto runs = static_cast<std::int64_t>(models.size() * (texts.empty() ? 1 : 2));
  Progress progress("benchmark", runs * batches * options.batch, "queries");
  std::vector<Measurement> measurements;
  for (const BenchModel& model : models) measurements.emplace_back(model, QueryStream(paths, texts, options.top), options, progress);
  try {
    for (std::int64_t block = 0; block < blocks; ++block)
      for (Measurement& measurement : measurements) {
        release_freed_memory();  // of the model before
        measurement.run_block(gallery, own, batches * (block + 1) / blocks - batches * block / blocks);
      }
  } catch (const Interrupted&) {
    if (!measurements.front().measured_any()) throw;  // else what was measured is measured
  }
  std::vector<BenchReport> reports;
  for (const Measurement& measurement : measurements)
    if (measurement.measured_any()) reports.push_back(measurement.report());
  return reports;
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

Json cold_start_json(const ColdStart& cold) {
  const auto median = [](const QuantileSketch& ms) { return ms.count() > 0 ? Json(ms.quantile(0.5)) : Json(nullptr); };
  return {{"open", median(cold.open_ms)}, {"image", median(cold.image_ms)}, {"text", median(cold.text_ms)}};
}

}  // namespace

Json to_json(const BenchReport& r) {
  Json json = {{"precision", r.precision}, {"batch", r.batch}};
  json.update(times_json(r));
  json.update(usage_json(r.usage));
  json["model_mb"] = r.model_mb;
  if (r.text) json["text"] = times_json(*r.text);
  json["cold_start_ms"] = cold_start_json(r.cold_start);
  if (r.interrupted) json["interrupted"] = true;
  return json;
}

}  // namespace edgeclip
