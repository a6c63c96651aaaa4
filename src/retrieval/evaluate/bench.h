#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/measure.h"
#include "retrieval/encoder.h"
#include "retrieval/gallery/snapshot.h"

namespace edgeclip {

struct BenchOptions {
  int queries = 1000;       ///< at least so many are timed
  int batch = 1;            ///< queries encoded at once
  int warmup = 3;           ///< batches before the clock starts
  int top = 10;             ///< results of each search
  bool same_precision = false;  ///< a gallery of another precision is refused
  double soak_minutes = 0;  ///< goes on for at least so long
  void validate(const std::string& where) const;
};

/// One kind of queries.
struct QueryTimes {
  std::int64_t total_queries = 0;
  double total_time_s = 0;            ///< wall time of the timed part
  double total_inference_time_s = 0;  ///< of this, in the encoder
  QuantileSketch latency_ms;          ///< of each query: from reading its batch to its results
};

struct BenchReport : QueryTimes {  ///< of images
  std::string precision;
  int batch = 1;
  ResourceUsage usage;
  double model_mb = 0;  ///< MiB
  std::optional<QueryTimes> text;  ///< of texts
  bool interrupted = false;        ///< a signal ended it before its time
};

/// The deployment table.  A query is one image read, decoded, preprocessed, encoded and searched for, one
/// batch after the other in one stream; paths are taken in turn.  As many texts follow, tokenized, encoded and searched for likewise,
/// unless there are none.  Resources are those of both.  gallery: what is searched (must be the
/// encoder's); nullptr: the images of `paths` are encoded first, outside of the timed part, and searched.
/// precision, model_bytes: what is reported of the model. Throws InvalidInput if an image cannot be read,
/// Interrupted on a signal before the first query was timed; later, what
/// was measured until then is the report.
BenchReport run_benchmark(Encoder& encoder, const GallerySnapshot* gallery,
                          const std::vector<std::filesystem::path>& paths, const std::vector<std::string>& texts,
                          const BenchOptions& options, const std::string& precision, std::int64_t model_bytes);

/// {"precision","batch","total_queries","total_time_s","total_inference_time_s","avg_inference_time_s","avg_qps",
/// "latency_ms":{"p10","median","p90","p99"},"cpu_percent":{"avg","peak"},"memory_percent":{...},"rss_mb":{...},
/// "gpu_percent":null,"power_w":null,"model_mb","text":{"total_queries",...,"latency_ms"}}.  Null: not measurable here.
Json to_json(const BenchReport& report);

}  // namespace edgeclip
