#include "retrieval/evaluate/evaluate.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/measure.h"
#include "base/median.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/threads.h"
#include "data/dataset/loader.h"
#include "retrieval/encode.h"
#include "retrieval/evaluate/dot.h"

namespace edgeclip {
namespace {

/// One side of a search.
struct SearchSide {
  const std::vector<std::int64_t>& keys;  ///< equal ones are right for each other
  const std::vector<std::int64_t>& ids;
  const std::vector<std::string>& names;
};

/// Both sides, and which of them ask.
struct SearchTask {
  SearchTask(const EvaluationSet& set, const EvaluateOptions& options)
      : places(set.images.size()),
        captions{options.relevance == Relevance::kImage ? set.caption_images : set.caption_ids,
                 set.caption_ids, set.captions},
        images{options.relevance == Relevance::kImage ? places : set.image_ids, set.image_ids,
               set.image_names} {
    std::iota(places.begin(), places.end(), std::int64_t{0});
  }
  SearchTask(const SearchTask&) = delete;

  std::vector<std::int64_t> places;  ///< 0, 1, ... of the images
  SearchSide captions, images;
};

/// The queries of the persons that are asked for, without how they do.
std::vector<QueryOutcome> queries_to_ask(const SearchSide& from, const SearchSide& gallery,
                                         const EvaluateOptions& options) {
  const std::set<std::int64_t> only(options.only_ids.begin(), options.only_ids.end());
  std::map<std::int64_t, std::int64_t> relevant;
  for (const std::int64_t key : gallery.keys) ++relevant[key];
  std::vector<QueryOutcome> queries;
  for (std::size_t row = 0; row < from.ids.size(); ++row) {
    if (!only.empty() && only.count(from.ids[row]) == 0) continue;
    const auto found = relevant.find(from.keys[row]);
    queries.push_back({static_cast<std::int64_t>(row),
                       from.ids[row],
                       from.names[row],
                       found == relevant.end() ? 0 : found->second,
                       static_cast<std::int64_t>(gallery.keys.size()),
                       {},
                       {}});
  }
  return queries;
}

/// Each query, a row of from (., D), against all rows of gallery (N, D), without a full score matrix.
/// results: of each, to be named.
void search_each(std::vector<QueryOutcome>& queries, const Tensor& from, const SearchSide& asking,
                 const Tensor& gallery, const SearchSide& found, int results) {
  const std::int64_t dim = from.dim(1), items = gallery.dim(0), group = 16;
  const auto count = static_cast<std::int64_t>(queries.size());
  parallel_for((count + group - 1) / group, [&](std::int64_t g) {
    const std::int64_t begin = g * group, end = std::min(begin + group, count), rows = block_rows(dim);
    std::vector<float> scores(static_cast<std::size_t>((end - begin) * items));
    for (std::int64_t block = 0; block < items; block += rows) {
      const std::int64_t here = std::min(rows, items - block);
      for (std::int64_t q = begin; q < end; ++q)
        score_block(from.data<float>() + queries[static_cast<std::size_t>(q)].number * dim, 1,
                    gallery.data<float>() + block * dim, here, dim,
                    scores.data() + (q - begin) * items + block);
    }
    for (std::int64_t q = begin; q < end; ++q) {
      QueryOutcome& query = queries[static_cast<std::size_t>(q)];
      const std::int64_t key = asking.keys[static_cast<std::size_t>(query.number)];
      const float* own = scores.data() + (q - begin) * items;
      query.metrics = query_metrics(own, key, found.keys);
      if (results == 0) continue;
      for (const std::size_t item :
           best_items(own, static_cast<std::size_t>(items), static_cast<std::size_t>(results)))
        query.results.push_back({found.names[item], own[item], found.keys[item] == key});
    }
  });
}

RetrievalMetrics mean_of(const std::vector<QueryOutcome>& outcomes) {
  std::vector<QueryMetrics> metrics;
  for (const QueryOutcome& outcome : outcomes) metrics.push_back(outcome.metrics);
  return mean_metrics(metrics);
}

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
  const auto n = static_cast<std::int64_t>(all.size()),
             count = most_images > 0 ? std::min(n, most_images) : n;
  EvaluationSet set;
  for (std::int64_t i = 0; i < count; ++i) {
    const ImageItem& image =
        dataset.images[static_cast<std::size_t>(all[static_cast<std::size_t>(i * n / count)])];
    set.images.push_back(dataset.image_path(image.path));
    set.image_names.push_back(image.path);
    set.image_ids.push_back(image.id);
    for (const std::int64_t row : image.rows) {
      set.captions.push_back(dataset.pairs[static_cast<std::size_t>(row)].caption);
      set.caption_ids.push_back(dataset.pairs[static_cast<std::size_t>(row)].id);
      set.caption_images.push_back(i);
    }
  }
  return set;
}

QueryOutcomes evaluation_queries(const EvaluationSet& set, const EvaluateOptions& options) {
  const SearchTask task(set, options);
  return {queries_to_ask(task.captions, task.images, options),
          queries_to_ask(task.images, task.captions, options)};
}

Evaluation evaluate_embeddings(const EvaluationSet& set, const Tensor& images, const Tensor& texts,
                               const EvaluateOptions& options) {
  const SearchTask task(set, options);
  Evaluation result;
  result.outcomes = evaluation_queries(set, options);
  result.queries = static_cast<std::int64_t>(result.outcomes.text_to_image.size());
  result.gallery = static_cast<std::int64_t>(set.images.size());
  search_each(result.outcomes.text_to_image, texts, task.captions, images, task.images, options.results);
  search_each(result.outcomes.image_to_text, images, task.images, texts, task.captions, options.results);
  result.text_to_image = mean_of(result.outcomes.text_to_image);
  result.image_to_text = mean_of(result.outcomes.image_to_text);
  std::vector<std::int64_t> rows, keys;
  for (const QueryOutcome& query : result.outcomes.text_to_image) {
    rows.push_back(query.number);
    keys.push_back(task.captions.keys[static_cast<std::size_t>(query.number)]);
  }
  result.chance = chance_metrics(keys, task.images.keys);
  if (options.bootstrap.resamples > 0) {
    const ClusterSums of_texts = cluster_sums(result.outcomes.text_to_image),
                      of_images = cluster_sums(result.outcomes.image_to_text);
    result.intervals = {options.bootstrap, static_cast<std::int64_t>(of_texts.clusters()),
                        bootstrap_intervals(of_texts, options.bootstrap),
                        bootstrap_intervals(of_images, options.bootstrap)};
  }
  if (options.examples <= 0 && options.worst <= 0) return result;
  std::vector<std::string> paths;
  for (const auto& path : set.images)
    paths.push_back(std::filesystem::absolute(path).lexically_normal().string());
  const ExampleSource source{
      texts, images, set.captions, set.caption_ids, task.captions.keys, task.images.keys, paths};
  result.examples = example_retrievals(source, rows, options.examples, options.example_results);
  result.worst = worst_queries(source, result.outcomes.text_to_image, options.worst, options.worst_results);
  return result;
}

Evaluation evaluate(Encoder& encoder, const Dataset& dataset, const EvaluateOptions& options) {
  if (options.batch < 1) invalid_input("batch: {} is not at least 1", options.batch);
  const EvaluationSet set = evaluation_set(dataset, options.split);
  if (evaluation_queries(set, options).text_to_image.empty())
    invalid_input("{}: split \"{}\" has no captions of the identities asked for", dataset.name,
                  options.split);
  Progress progress("evaluating", static_cast<std::int64_t>(set.images.size()), "images");
  const Tensor images =
      encode_image_files(encoder, set.images, options.batch, [&](std::int64_t n) { progress.advance(n); });
  progress.finish();
  const Tensor texts = encode_texts(encoder, set.captions, options.batch);
  Evaluation result = evaluate_embeddings(set, images, texts, options);
  if (options.time_images) result.image_ms = image_alone_ms(encoder, set, options.batch);
  return result;
}

Json to_json(const Evaluation& e) {
  Json json = {{"queries", e.queries},
               {"gallery", e.gallery},
               {"text_to_image", to_json(e.text_to_image)},
               {"image_to_text", to_json(e.image_to_text)},
               {"chance", to_json(e.chance)},
               {"image_ms", e.image_ms ? Json(*e.image_ms) : Json(nullptr)}};
  if (e.intervals)
    json["confidence_intervals"] = {{"level", e.intervals->how.level},
                                    {"resamples", e.intervals->how.resamples},
                                    {"seed", e.intervals->how.seed},
                                    {"identities", e.intervals->identities},
                                    {"text_to_image", to_json(e.intervals->text_to_image)},
                                    {"image_to_text", to_json(e.intervals->image_to_text)}};
  if (!e.examples.empty()) json["examples"] = to_json(e.examples);
  if (!e.worst.empty()) json["worst"] = to_json(e.worst);
  return json;
}

}  // namespace edgeclip
