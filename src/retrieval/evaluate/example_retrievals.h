#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/tensor.h"

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

/// What an evaluation searches.  Rows are unit-norm; ids and names by row.
struct ExampleSource {
  const Tensor& texts;   ///< (Q, D)
  const Tensor& images;  ///< (N, D)
  const std::vector<std::string>& captions;
  const std::vector<std::int64_t>& caption_ids;
  const std::vector<std::int64_t>& image_ids;
  const std::vector<std::string>& image_paths;
};

/// `count` of the rows `queries` of source.texts, evenly spaced (so not chosen by how well they do), each
/// caption once, with the `top` best images.  The same data always gives the same queries.
std::vector<ExampleRetrieval> example_retrievals(const ExampleSource& source,
                                                 const std::vector<std::int64_t>& queries, int count,
                                                 int top);

/// [{"caption","id","first_right","results":[{"rank","path","score","right"}]}]
Json to_json(const std::vector<ExampleRetrieval>& examples);

}  // namespace edgeclip
