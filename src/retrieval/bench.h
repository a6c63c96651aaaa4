#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/measure.h"
#include "retrieval/encoder.h"
#include "retrieval/gallery.h"

namespace edgeclip {

struct BenchOptions {
  int queries = 1000;       ///< at least so many are timed
  int batch = 1;            ///< queries encoded at once
  int warmup = 3;           ///< batches before the clock starts
  int top = 10;             ///< results of each search
  double soak_minutes = 0;  ///< goes on for at least so long
  void validate(const std::string& where) const;
};

struct BenchReport {
  std::string precision;
  int batch = 1;
  std::int64_t total_queries = 0;
  double total_time_s = 0;            ///< wall time of the timed part
  double total_inference_time_s = 0;  ///< of this, in the encoder
  QuantileSketch latency_ms;          ///< of each query: from reading its batch to its results
  ResourceUsage usage;
  double model_mb = 0;  ///< MiB
};

/// The deployment table.  A query is one image read, decoded, preprocessed, encoded and searched for, one
/// batch after the other in one stream; paths are taken in turn.  gallery: what is searched (must be the
/// encoder's); nullptr: the images of `paths` are encoded first, outside of the timed part, and searched.
/// precision, model_bytes: what is reported of the model. Throws InvalidInput if an image cannot be read,
/// Interrupted on a signal.
BenchReport run_benchmark(Encoder& encoder, const Gallery* gallery,
                          const std::vector<std::filesystem::path>& paths, const BenchOptions& options,
                          const std::string& precision, std::int64_t model_bytes);

/// {"precision","batch","total_queries","total_time_s","total_inference_time_s","avg_inference_time_s","avg_qps",
/// "latency_ms":{"p10","median","p90","p99"},"cpu_percent":{"avg","peak"},"memory_percent":{...},"rss_mb":{...},
/// "gpu_percent":null,"power_w":null,"model_mb"}.  Null: not measurable here.
Json to_json(const BenchReport& report);

}  // namespace edgeclip
