#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "retrieval/encoder.h"
#include "retrieval/search/gallery_set.h"

namespace edgeclip {

/// What is looked for: each text is a query, or the image alone; what else there is goes into each of them.
struct QueryParts {
  std::vector<std::string> texts;
  std::filesystem::path image;           ///< "": none
  double image_weight = 0.5;             ///< beside a text: (1 - w) * text + w * image, of unit length again
  std::vector<std::string> not_texts;    ///< what is not looked for
  double not_weight = 0.5;               ///< their mean is taken off with this weight
  std::vector<std::uint64_t> right, wrong;  ///< numbers of items that a user has marked in an earlier answer
};

struct Queries {
  std::vector<std::string> names;
  Tensor rows;  ///< (Q, D), unit rows
};

/// Encodes and combines.  Marks move a query towards the mean of what is right and away from the mean of what is wrong, by Rocchio's
/// rule with its usual weights (1, 0.75, 0.15; Manning, Raghavan and Schuetze, "Introduction to Information Retrieval", 9.1.1).  Throws
/// InvalidInput if there is neither a text nor an image, if nothing is left of a query, or if a marked item is not there (or marks are
/// given for several galleries, whose numbers repeat).
Queries encode_queries(Encoder& encoder, const QueryParts& parts, const GallerySet& galleries);

}  // namespace edgeclip
