#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "retrieval/evaluate/metrics.h"

namespace edgeclip {

/// One query of an evaluation, and how it did.
struct QueryOutcome {
  struct Result {
    std::string item;  ///< an image's path in the dataset, or a caption
    float score = 0;   ///< cosine
    bool right = false;
  };
  std::int64_t number = 0;    ///< of the caption or image within the split, from 0
  std::int64_t id = 0;        ///< person
  std::string query;          ///< the caption, or the image's path in the dataset
  std::int64_t relevant = 0;  ///< items of the gallery that are right
  std::int64_t gallery = 0;   ///< items in all
  QueryMetrics metrics;
  std::vector<Result> results;  ///< best first, as many as were asked for
};

/// All queries of an evaluation, each direction in order of its numbers.
struct QueryOutcomes {
  std::vector<QueryOutcome> text_to_image, image_to_text;
};

/// A row per query: direction (text_to_image, image_to_text), number, id, query, relevant, gallery,
/// first_rank (empty: nothing relevant is there), ap, inp (both in [0, 1], digits enough to give the same
/// number back), then result_1, score_1, right_1 (1 or 0), result_2, ... of as many as the longest list has.
void write_query_csv(const std::filesystem::path& path, const QueryOutcomes& outcomes);

/// What write_query_csv() wrote, without the results.  Other columns after inp are passed over.  Throws
/// InvalidInput (file, record, column) if it is no such table.
QueryOutcomes read_query_csv(const std::filesystem::path& path);

/// Throws InvalidInput naming the first difference unless both hold the same queries of galleries with as
/// many items and as many right ones: only then can they be compared one by one.  first, second: what they
/// are of, for the message.
void require_same_queries(const QueryOutcomes& a, const std::string& first, const QueryOutcomes& b,
                          const std::string& second);

}  // namespace edgeclip
