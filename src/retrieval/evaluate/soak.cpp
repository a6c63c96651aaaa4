#include "retrieval/evaluate/soak.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <mutex>

#include "base/io_error.h"
#include "base/line_fit.h"
#include "base/log.h"
#include "base/measure.h"
#include "base/progress.h"
#include "base/signals.h"
#include "retrieval/evaluate/query_stream.h"
#include "retrieval/evaluate/rolling_gallery.h"

namespace edgeclip {

namespace {

constexpr double kMiB = 1024.0 * 1024.0;

/// Failures of several threads: how many, and the first.  Thread-safe.
class SoakErrors {
 public:
  /// False if the work failed, which is counted.
  bool guard(const std::function<void()>& work) {
    try {
      work();
      return true;
    } catch (const InvalidInput& e) {
      count(e.what());
    } catch (const std::exception& e) {
      if (!is_machine_fault(std::current_exception())) throw;
      count(e.what());
    }
    return false;
  }
  void put_into(SoakReport& report) const {
    std::lock_guard lock(mutex_);
    report.errors = count_;
    report.first_error = first_;
  }

 private:
  void count(const char* what) {
    std::lock_guard lock(mutex_);
    if (count_++ > 0) return;
    first_ = what;
    spdlog::warn("soak: {}", what);
  }
  mutable std::mutex mutex_;
  std::int64_t count_ = 0;
  std::string first_;
};

/// Anonymous resident memory, looked at again and again.
class MemoryTrend {
 public:
  MemoryTrend(double begin, double interval) : begin_(begin), interval_(interval) {}

  void look(double seconds) {
    if (seconds < begin_ || seconds < next_) return;
    next_ = seconds + interval_;
    const double mb = static_cast<double>(resident_memory().anonymous) / kMiB;
    if (fit_.count() == 0) first_ = mb;
    last_ = mb;
    peak_ = std::max(peak_, mb);
    fit_.add(seconds / 3600, mb);
  }
  void put_into(SoakReport& report) const {
    report.samples = fit_.count();
    report.first_mb = first_;
    report.last_mb = last_;
    report.peak_mb = peak_;
    if (fit_.count() >= SoakReport::kFewestSamples) report.slope_mb_per_hour = fit_.slope();
  }

 private:
  const double begin_, interval_;
  double next_ = 0, first_ = 0, last_ = 0, peak_ = 0;
  LineFit fit_;
};

/// Every size of batch as images, then as texts.
std::vector<LatencyDrift::Class> soak_classes(const Encoder& encoder, bool texts) {
  std::vector<LatencyDrift::Class> classes;
  for (const int batch : soak_batches(encoder.max_batch())) {
    classes.push_back({"image", batch});
    if (texts) classes.push_back({"text", batch});
  }
  return classes;
}

std::unique_ptr<RollingGallery> rolling_gallery(Encoder& encoder, const QueryStream& stream, double seconds, SoakErrors& errors) {
  RollingGallery::Options options;
  options.batch = std::min(4, encoder.max_batch());
  options.seal_seconds = std::min(1.0, seconds / 100);
  return std::make_unique<RollingGallery>(encoder, stream, options, [&errors](const std::function<void()>& work) { return errors.guard(work); });
}

}  // namespace

std::vector<int> soak_batches(int max_batch) {
  std::vector<int> batches;
  for (const int batch : {1, 4, 8, max_batch})
    if (batch <= max_batch && (batches.empty() || batch > batches.back())) batches.push_back(batch);
  return batches;
}

std::optional<double> SoakReport::drift(const std::string& kind) const {
  double logs = 0;
  int known = 0;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const auto ratio = latencies[i].ratio();
    if (classes[i].kind != kind || !ratio) continue;
    logs += std::log(*ratio);
    ++known;
  }
  return known > 0 ? std::optional(std::exp(logs / known)) : std::nullopt;
}

SoakReport run_soak(Encoder& encoder, const GallerySnapshot& gallery, const std::vector<std::filesystem::path>& images,
                    const std::vector<std::string>& texts, const SoakOptions& options) {
  EDGECLIP_CHECK(options.minutes > 0 && !images.empty(), "{} minutes, {} images", options.minutes, images.size());
  require_same_space(gallery, encoder);
  const double whole = 60 * options.minutes, warmup = whole / 10;
  SoakReport report;
  report.classes = soak_classes(encoder, !texts.empty());
  QueryStream stream(images, texts, options.top);
  SoakErrors errors;
  MemoryTrend memory(warmup, std::min(1.0, whole / 100));
  LatencyDrift drift(report.classes, warmup, whole);
  const auto rolling = options.append ? rolling_gallery(encoder, stream, whole, errors) : nullptr;
  Progress progress("soak", 0, "queries");
  const Stopwatch real;
  const double start = options.clock ? options.clock() : 0;
  const auto seconds = [&] { return options.clock ? options.clock() - start : real.seconds(); };
  for (std::size_t turn = 0; seconds() < whole && !interrupted(); turn = (turn + 1) % report.classes.size()) {
    const LatencyDrift::Class& of = report.classes[turn];
    const bool image = of.kind == "image";
    try {
      const bool answered = errors.guard([&] {
        const GallerySnapshot& searched = rolling ? rolling->newest() : gallery;
        const Stopwatch query;
        if (image)
          stream.ask_images(encoder, searched, of.batch);
        else
          stream.ask_texts(encoder, searched, of.batch);
        drift.add(turn, seconds(), query.ms());
      });
      if (answered) (image ? report.image_queries : report.text_queries) += of.batch;
      if (rolling) rolling->check();
    } catch (const Interrupted&) {
      break;  // what was measured is measured
    }
    memory.look(seconds());
    progress.advance(of.batch);
  }
  report.seconds = seconds();
  report.warmup_seconds = std::min(warmup, report.seconds);
  report.interrupted = interrupted();
  report.latencies = drift.results(report.seconds);
  memory.put_into(report);
  errors.put_into(report);
  if (rolling) report.appended = SoakReport::Appended{rolling->appended(), rolling->removed(), rolling->generations_read()};
  return report;
}

namespace {

Json number_or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

}  // namespace

Json to_json(const SoakReport& r) {
  Json latency = Json::array();
  for (std::size_t i = 0; i < r.classes.size(); ++i) {
    const LatencyDrift::Result& result = r.latencies[i];
    latency.push_back({{"kind", r.classes[i].kind},
                       {"batch", r.classes[i].batch},
                       {"batches", result.batches},
                       {"first_ms", number_or_null(result.first_ms)},
                       {"last_ms", number_or_null(result.last_ms)},
                       {"drift", number_or_null(result.ratio())}});
  }
  Json json = {{"minutes", r.seconds / 60},
               {"warmup_minutes", r.warmup_seconds / 60},
               {"image_queries", r.image_queries},
               {"text_queries", r.text_queries},
               {"errors", r.errors},
               {"first_error", r.errors > 0 ? Json(r.first_error) : Json(nullptr)},
               {"memory_slope_mb_per_hour", number_or_null(r.slope_mb_per_hour)},
               {"anonymous_mb", {{"first", r.first_mb}, {"last", r.last_mb}, {"peak", r.peak_mb}}},
               {"samples", r.samples},
               {"latency_drift", {{"image", number_or_null(r.drift("image"))}, {"text", number_or_null(r.drift("text"))}}},
               {"latency", latency}};
  if (r.appended) {
    json["appended"] = r.appended->images;
    json["removed"] = r.appended->removed;
    json["generations_read"] = r.appended->generations_read;
  }
  if (r.interrupted) json["interrupted"] = true;
  return json;
}

}  // namespace edgeclip
