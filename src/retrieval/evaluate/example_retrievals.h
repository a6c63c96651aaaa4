#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/tensor.h"
#include "retrieval/evaluate/query_outcome.h"

namespace edgeclip {

/// A caption with the images that were found for it, for people to look at.
struct ExampleRetrieval {
  struct Hit {
    std::string path;
    float score = 0;  ///< cosine
    bool right = false;
  };
  std::string caption;
  std::int64_t id = 0;
  std::int64_t first_right = 0;  ///< rank of the first right image, 1 = best; 0: there is none
  std::vector<Hit> hits;         ///< best first
};

/// A caption that does badly, with what was found instead.
struct WorstQuery {
  ExampleRetrieval found;
  std::int64_t number = 0;    ///< of the caption within the split, from 0
  double ap = 0;              ///< [0, 1]
  std::int64_t relevant = 0;  ///< images that are right
  ExampleRetrieval::Hit
      right;  ///< the best of them, at rank found.first_right; without a path where there is none
};

/// What an evaluation searches.  Rows are unit-norm; ids and names by row.
struct ExampleSource {
  const Tensor& texts;   ///< (Q, D)
  const Tensor& images;  ///< (N, D)
  const std::vector<std::string>& captions;
  const std::vector<std::int64_t>& caption_ids;
  const std::vector<std::int64_t>& caption_keys;  ///< an image is right for a caption whose key is its own
  const std::vector<std::int64_t>& image_keys;
  const std::vector<std::string>& image_paths;
};

/// `count` of the rows `queries` of source.texts, evenly spaced (so not chosen by how well they do), each
/// caption once, with the `top` best images.  The same data always gives the same queries.
std::vector<ExampleRetrieval> example_retrievals(const ExampleSource& source,
                                                 const std::vector<std::int64_t>& queries, int count,
                                                 int top);

/// The `count` captions with the lowest AP, worst first, of the outcomes of text to image of all or some rows
/// of source.texts, with the `top` best images.  Equal ones: whose first right image stands further back,
/// then in order; a caption that several images of a person share counts once.
std::vector<WorstQuery> worst_queries(const ExampleSource& source, const std::vector<QueryOutcome>& outcomes,
                                      int count, int top);

/// [{"number","caption","id","ap","first_right","relevant","right":{"path","score"}|null,"results":[{"rank","path","score","right"}]}]
Json to_json(const std::vector<WorstQuery>& worst);

/// [{"caption","id","first_right","results":[{"rank","path","score","right"}]}]
Json to_json(const std::vector<ExampleRetrieval>& examples);

}  // namespace edgeclip
