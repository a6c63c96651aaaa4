#include "retrieval/evaluate/evaluate.h"

#include <algorithm>
#include <mutex>
#include <set>

#include "base/error.h"
#include "base/measure.h"
#include "base/median.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/threads.h"
#include "data/dataset/loader.h"
#include "retrieval/evaluate/dot.h"
#include "retrieval/encode.h"

namespace edgeclip {
namespace {

/// Metrics of rows `queries` of from (., D) against all rows of gallery (N, D), without a full score matrix.
RetrievalMetrics measure(const Tensor& from, const std::vector<std::int64_t>& from_ids,
                         const std::vector<std::int64_t>& queries, const Tensor& gallery,
                         const std::vector<std::int64_t>& gallery_ids) {
  const std::int64_t dim = from.dim(1), items = gallery.dim(0), group = 16;
  const auto count = static_cast<std::int64_t>(queries.size());
  std::vector<QueryMetrics> results(queries.size());
  parallel_for((count + group - 1) / group, [&](std::int64_t g) {
    const std::int64_t begin = g * group, end = std::min(begin + group, count), rows = block_rows(dim);
    std::vector<float> scores(static_cast<std::size_t>((end - begin) * items));
    for (std::int64_t block = 0; block < items; block += rows) {
      const std::int64_t here = std::min(rows, items - block);
      for (std::int64_t q = begin; q < end; ++q)
        score_block(from.data<float>() + queries[static_cast<std::size_t>(q)] * dim, 1,
                    gallery.data<float>() + block * dim, here, dim,
                    scores.data() + (q - begin) * items + block);
    }
    for (std::int64_t q = begin; q < end; ++q)
      results[static_cast<std::size_t>(q)] = query_metrics(
          scores.data() + (q - begin) * items,
          from_ids[static_cast<std::size_t>(queries[static_cast<std::size_t>(q)])], gallery_ids);
  });
  return mean_metrics(results);
}

/// Passes everything on and notes what each image took; a median, so that making shapes ready does not count.  Its calls are alone: of an
/// encoder with an executor, which others would share, image_alone_ms() asks.
class TimedEncoder : public Encoder {
 public:
  explicit TimedEncoder(Encoder& encoder) : encoder_(encoder) {}
  const ModelCard& card() const override { return encoder_.card(); }
  std::shared_ptr<const Tokenizer> tokenizer() const override { return encoder_.tokenizer(); }
  Tensor encode_tokens(const TensorView& tokens) override { return encoder_.encode_tokens(tokens); }
  std::string model_hash() const override { return encoder_.model_hash(); }
  int max_batch() const override { return encoder_.max_batch(); }
  Tensor encode_images(const TensorView& pixels) override {
    const Stopwatch clock;
    Tensor rows = encoder_.encode_images(pixels);
    const double ms = clock.ms() / static_cast<double>(std::max<std::int64_t>(1, rows.dim(0)));
    std::lock_guard lock(mutex_);
    ms_.add(ms);
    return rows;
  }
  double median_ms() const { return ms_.quantile(0.5); }

 private:
  Encoder& encoder_;
  std::mutex mutex_;
  QuantileSketch ms_;
};

/// Milliseconds of an image in the encoder, which nothing else is beside: the median of a few batches of the first images, seen once before.
double image_alone_ms(Encoder& encoder, const EvaluationSet& set, int batch) {
  constexpr int kBatches = 5;
  const ImageTransform& transform = encoder.card().image;
  const std::int64_t count = std::min<std::int64_t>(std::min(batch, encoder.max_batch()), static_cast<std::int64_t>(set.images.size()));
  const Tensor pixels = load_pixels({set.images.begin(), set.images.begin() + count}, transform);
  encoder.encode_images(pixels.view());
  std::vector<double> times;
  for (int k = 0; k < kBatches; ++k) {
    throw_if_interrupted();
    const Stopwatch clock;
    encoder.encode_images(pixels.view());
    times.push_back(clock.ms() / static_cast<double>(count));
  }
  return median(times);
}

}  // namespace

EvaluationSet evaluation_set(const Dataset& dataset, const std::string& split, std::int64_t most_images) {
  const std::vector<std::int64_t> all = dataset.split(split);
  const auto n = static_cast<std::int64_t>(all.size()), count = most_images > 0 ? std::min(n, most_images) : n;
  EvaluationSet set;
  for (std::int64_t i = 0; i < count; ++i) {
    const ImageItem& image = dataset.images[static_cast<std::size_t>(all[static_cast<std::size_t>(i * n / count)])];
    set.images.push_back(dataset.image_path(image.path));
    set.image_ids.push_back(image.id);
    for (const std::int64_t row : image.rows) {
      set.captions.push_back(dataset.pairs[static_cast<std::size_t>(row)].caption);
      set.caption_ids.push_back(dataset.pairs[static_cast<std::size_t>(row)].id);
    }
  }
  return set;
}

namespace {

/// Places of those that are asked for.
std::vector<std::int64_t> queries_of(const std::vector<std::int64_t>& ids, const EvaluateOptions& options) {
  const std::set<std::int64_t> only(options.only_ids.begin(), options.only_ids.end());
  std::vector<std::int64_t> queries;
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (only.empty() || only.count(ids[i])) queries.push_back(static_cast<std::int64_t>(i));
  return queries;
}

}  // namespace

Evaluation evaluate_embeddings(const EvaluationSet& set, const Tensor& images, const Tensor& texts,
                               const EvaluateOptions& options) {
  const auto text_queries = queries_of(set.caption_ids, options);
  Evaluation result;
  result.queries = static_cast<std::int64_t>(text_queries.size());
  result.gallery = static_cast<std::int64_t>(set.images.size());
  result.text_to_image = measure(texts, set.caption_ids, text_queries, images, set.image_ids);
  result.image_to_text = measure(images, set.image_ids, queries_of(set.image_ids, options), texts, set.caption_ids);
  std::vector<std::int64_t> query_ids;
  for (const std::int64_t q : text_queries) query_ids.push_back(set.caption_ids[static_cast<std::size_t>(q)]);
  result.chance = chance_metrics(query_ids, set.image_ids);
  std::vector<std::string> names;
  for (const auto& path : set.images) names.push_back(std::filesystem::absolute(path).lexically_normal().string());
  result.examples = example_retrievals({texts, images, set.captions, set.caption_ids, set.image_ids, names}, text_queries,
                                       options.examples, options.example_results);
  return result;
}

Evaluation evaluate(Encoder& encoder, const Dataset& dataset, const EvaluateOptions& options) {
  if (options.batch < 1) invalid_input("batch: {} is not at least 1", options.batch);
  const EvaluationSet set = evaluation_set(dataset, options.split);
  if (queries_of(set.caption_ids, options).empty())
    invalid_input("{}: split \"{}\" has no captions of the identities asked for", dataset.name,
                  options.split);
  Progress progress("evaluating", static_cast<std::int64_t>(set.images.size()), "images");
  TimedEncoder timed(encoder);
  const bool shared = encoder.executor() != nullptr;
  const Tensor images =
      encode_image_files(shared ? encoder : timed, set.images, options.batch, [&](std::int64_t n) { progress.advance(n); });
  progress.finish();
  const Tensor texts = encode_texts(encoder, set.captions, options.batch);
  Evaluation result = evaluate_embeddings(set, images, texts, options);
  result.image_ms = shared ? image_alone_ms(encoder, set, options.batch) : timed.median_ms();
  return result;
}

Json to_json(const Evaluation& e) {
  Json json = {{"queries", e.queries},
               {"gallery", e.gallery},
               {"text_to_image", to_json(e.text_to_image)},
               {"image_to_text", to_json(e.image_to_text)},
               {"chance", to_json(e.chance)},
               {"image_ms", e.image_ms}};
  if (!e.examples.empty()) json["examples"] = to_json(e.examples);
  return json;
}

}  // namespace edgeclip
