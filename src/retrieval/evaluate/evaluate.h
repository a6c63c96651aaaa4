#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/dataset/dataset.h"
#include "retrieval/encoder.h"
#include "retrieval/evaluate/bootstrap.h"
#include "retrieval/evaluate/example_retrievals.h"
#include "retrieval/evaluate/metrics.h"
#include "retrieval/evaluate/query_outcome.h"

namespace edgeclip {

/// Intervals of both directions, of the persons of the queries.
struct EvaluationIntervals {
  BootstrapOptions how;
  std::int64_t identities = 0;
  std::optional<MeasureIntervals> text_to_image, image_to_text;  ///< none of a single person
};

struct Evaluation {
  std::int64_t queries = 0, gallery = 0;  ///< captions, images
  RetrievalMetrics text_to_image, image_to_text;
  RetrievalMetrics chance;  ///< text to image in random order
  std::optional<double> image_ms;  ///< encoding one image (no decoding) with nothing beside, median over a few batches, milliseconds
  std::vector<ExampleRetrieval> examples;        ///< as many as were asked for
  std::optional<EvaluationIntervals> intervals;  ///< where they were asked for
  QueryOutcomes outcomes;                        ///< each query by itself
  std::vector<WorstQuery> worst;                 ///< as many as were asked for
};

/// What is right for a query.
enum class Relevance {
  kPerson,  ///< whatever shows, or says something of, the same person
  kImage    ///< for a caption its own image alone, for an image its own captions (Flickr30K, COCO: five of
            ///< each)
};

struct EvaluateOptions {
  std::string split = "test";
  int batch = 32;
  std::vector<std::int64_t>
      only_ids;  ///< restricts queries (not the gallery) to these identities; empty: all
  Relevance relevance = Relevance::kPerson;
  int examples = 0;         ///< queries to be shown with what was found for them
  int example_results = 5;  ///< images of each
  int worst = 0;            ///< captions with the lowest AP, to be shown likewise
  int worst_results = 8;    ///< images of each
  int results = 0;          ///< that outcomes name of each query
  BootstrapOptions bootstrap{/*resamples=*/0};
  bool time_images = false;  ///< encodes the first batch a few times more, for image_ms
};

/// What a split asks of a model.
struct EvaluationSet {
  std::vector<std::filesystem::path> images;
  std::vector<std::string> image_names;  ///< paths within the dataset
  std::vector<std::string> captions;
  std::vector<std::int64_t> image_ids, caption_ids;  ///< the person of each
  std::vector<std::int64_t> caption_images;          ///< of each caption the place of its own image
};

/// The images of a split with their captions; most_images > 0: so many at most, evenly spread.  Throws
/// InvalidInput if the dataset has no such split.
EvaluationSet evaluation_set(const Dataset& dataset, const std::string& split, std::int64_t most_images = 0);

/// The queries of a set, without how they do: for those who compare them with others before the work.
QueryOutcomes evaluation_queries(const EvaluationSet& set, const EvaluateOptions& options);

/// Of unit rows (images, D) and (captions, D) of the set: what evaluate() measures, without encoding.
Evaluation evaluate_embeddings(const EvaluationSet& set, const Tensor& images, const Tensor& texts,
                               const EvaluateOptions& options);

/// Encodes every image and every distinct caption of the split and measures both directions: each caption
/// against all images, each image against all captions.  What is right, options.relevance says.
/// Captions are tokenized by the encoder's own tokenizer.  Throws InvalidInput if the split, or what only_ids
/// leaves of its queries, is empty.
Evaluation evaluate(Encoder& encoder, const Dataset& dataset, const EvaluateOptions& options);

/// {"queries","gallery","text_to_image":{"R@1","R@5","R@10","mAP","mINP"},"image_to_text":{...},"chance":{...},"image_ms"}
/// and, where there are some,
/// "confidence_intervals":{"level","resamples","seed","identities","text_to_image":{"R@1":[low,
/// high]|null,...},"image_to_text":{...}}, "examples", "worst"
Json to_json(const Evaluation& evaluation);

}  // namespace edgeclip
