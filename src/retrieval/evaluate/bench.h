#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/measure.h"
#include "retrieval/encoder.h"
#include "retrieval/gallery/snapshot.h"

namespace edgeclip {

struct BenchOptions {
  int queries = 1000;  ///< at least so many are timed
  int batch = 1;       ///< queries encoded at once
  int warmup = 3;      ///< batches before the clock starts
  int top = 10;        ///< results of each search
  int blocks = 0;      ///< parts of the queries, in which several models take turns; 0: 4, of one model 1
  bool same_precision = false;  ///< a gallery of another precision is refused
  void validate(const std::string& where) const;
};

/// A model to be measured.
struct BenchModel {
  std::string name;       ///< for messages: its plan's folder
  std::string precision;  ///< as reported
  std::int64_t bytes = 0;
  std::function<std::shared_ptr<Encoder>()> open;
};

/// One kind of queries.
struct QueryTimes {
  std::int64_t total_queries = 0;
  double total_time_s = 0;            ///< wall time of the timed part
  double total_inference_time_s = 0;  ///< of this, in the encoder
  QuantileSketch latency_ms;          ///< of each query: from reading its batch to its results
};

/// Milliseconds from the moment a model is opened to the first answer, of each time it was.  The first query is a batch as the timed ones
/// are, read, encoded and searched for; its tower is opened by it, checked, its weights are packed and its kernels made ready.  The
/// process, its threads and the gallery are there already, and files may be in the system's cache.
struct ColdStart {
  QuantileSketch open_ms;   ///< until the model is opened; part of the other two
  QuantileSketch image_ms;  ///< to the answer to an image
  QuantileSketch text_ms;   ///< to that to a text, images left out
};

struct BenchReport : QueryTimes {  ///< of images
  std::string name, precision;
  int batch = 1;
  ResourceUsage usage;
  double model_mb = 0;  ///< MiB
  std::optional<QueryTimes> text;  ///< of texts
  ColdStart cold_start;
  bool interrupted = false;  ///< a signal ended it before its time
};

/// The deployment table, a report for each model.  A query is one image read, decoded, preprocessed, encoded and searched for, one
/// batch after the other in one stream; paths are taken in turn.  As many texts follow, tokenized, encoded and searched for likewise,
/// unless there are none.  Resources are those of both, warm-up included.
///
/// Several models take turns in blocks, so that what else the machine does meets all of them, and all are asked the same.  One is open
/// at a time: each turn opens it, and closes it with its memory given back, so that memory is that of one model, and its cold start is
/// measured each time.
///
/// gallery: what is searched (must be of the encoders' space); nullptr: the images of `paths` are encoded first, outside of the timed
/// part, once for each embedding space, and searched.  Throws InvalidInput if an image cannot be read, Interrupted on a signal before the
/// first query was timed; later, what was measured until then is reported, of the models that were reached.
std::vector<BenchReport> run_benchmarks(const std::vector<BenchModel>& models, const GallerySnapshot* gallery,
                                        const std::vector<std::filesystem::path>& paths, const std::vector<std::string>& texts,
                                        const BenchOptions& options);

/// What of a gallery is searched where none was given: the images of paths, encoded, in memory.
GallerySnapshot gallery_of_images(Encoder& encoder, const std::vector<std::filesystem::path>& paths);

/// {"precision","batch","total_queries","total_time_s","total_inference_time_s","avg_inference_time_s","avg_qps",
/// "latency_ms":{"p10","median","p90","p99"},"cpu_percent":{"avg","peak"},"memory_percent":{...},"rss_mb":{...},
/// "gpu_percent":null,"power_w":null,"model_mb","text":{"total_queries",...,"latency_ms"},"cold_start_ms":{"open","image","text"}}.
/// Null: not measurable here.  cold_start_ms: the medians.
Json to_json(const BenchReport& report);

}  // namespace edgeclip
