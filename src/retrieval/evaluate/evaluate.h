#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/dataset/dataset.h"
#include "retrieval/encoder.h"
#include "retrieval/evaluate/example_retrievals.h"
#include "retrieval/evaluate/metrics.h"

namespace edgeclip {

struct Evaluation {
  std::int64_t queries = 0, gallery = 0;  ///< captions, images
  RetrievalMetrics text_to_image, image_to_text;
  RetrievalMetrics chance;  ///< text to image in random order
  double image_ms = 0;      ///< encoding one image (no decoding), median over batches, milliseconds
  std::vector<ExampleRetrieval> examples;  ///< as many as were asked for
};

struct EvaluateOptions {
  std::string split = "test";
  int batch = 32;
  std::vector<std::int64_t>
      only_ids;  ///< restricts queries (not the gallery) to these identities; empty: all
  int examples = 0;         ///< queries to be shown with what was found for them
  int example_results = 5;  ///< images of each
};

/// What a split asks of a model.
struct EvaluationSet {
  std::vector<std::filesystem::path> images;
  std::vector<std::string> captions;
  std::vector<std::int64_t> image_ids, caption_ids;  ///< the person of each
};

/// The images of a split with their captions; most_images > 0: so many at most, evenly spread.  Throws InvalidInput if the dataset
/// has no such split.
EvaluationSet evaluation_set(const Dataset& dataset, const std::string& split, std::int64_t most_images = 0);

/// Of unit rows (images, D) and (captions, D) of the set: what evaluate() measures, without encoding.
Evaluation evaluate_embeddings(const EvaluationSet& set, const Tensor& images, const Tensor& texts,
                               const EvaluateOptions& options);

/// Encodes every image and every distinct caption of the split and measures both directions: each caption
/// against all images, each image against all captions.  The identity of a pair says what is relevant.
/// Captions are tokenized by the encoder's own tokenizer.  Throws InvalidInput if the split, or what only_ids
/// leaves of its queries, is empty.
Evaluation evaluate(Encoder& encoder, const Dataset& dataset, const EvaluateOptions& options);

/// {"queries","gallery","text_to_image":{"R@1","R@5","R@10","mAP","mINP"},"image_to_text":{...},"chance":{...},"image_ms"} and, where there are some,
/// "examples"
Json to_json(const Evaluation& evaluation);

}  // namespace edgeclip
