#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/dataset/dataset.h"
#include "retrieval/encoder.h"

namespace edgeclip {

/// In percent.  Definitions: docs/evaluate.md.
struct RetrievalMetrics {
  double r1 = 0, r5 = 0, r10 = 0, map = 0, minp = 0;
};

/// scores: (Q, N), higher is better; equal scores keep gallery order (stable).  A gallery item is relevant when its id
/// equals the query's.  AP = mean precision at each hit; INP = hits / rank of the last hit; a query without relevant
/// items counts 0.
RetrievalMetrics retrieval_metrics(const TensorView& scores, const std::vector<std::int64_t>& query_ids, const std::vector<std::int64_t>& gallery_ids);

/// Mean over queries of the AP that a random order of the gallery has in expectation, and of R@1: what chance gives.
RetrievalMetrics chance_metrics(const std::vector<std::int64_t>& query_ids, const std::vector<std::int64_t>& gallery_ids);

struct Evaluation {
  std::int64_t queries = 0, gallery = 0;  ///< captions, images
  RetrievalMetrics text_to_image, image_to_text, chance;
};

struct EvaluateOptions {
  std::string split = "test";
  int batch = 32;
  std::vector<std::int64_t> only_ids;     ///< restricts queries (not the gallery) to these identities; empty: all
};

/// Encodes every image and every distinct caption of the split and measures both directions.  The identity of a pair
/// says what is relevant.
Evaluation evaluate(Encoder& encoder, const Dataset& dataset, const EvaluateOptions& options);

/// {"queries","gallery","text_to_image":{"R@1","R@5","R@10","mAP","mINP"},"image_to_text":{...},"chance":{...}}
Json to_json(const Evaluation& evaluation);

}  // namespace edgeclip
