#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "base/json.h"
#include "data/dataset/dataset.h"

namespace edgeclip {

/// What of an evaluation a model may have been trained on.
struct TrainingOverlap {
  /// Whether the model was trained on this dataset, by its history; none: it does not tell (imported weights,
  /// a dataset of this name with other contents, no history).
  std::optional<bool> trained_here;
  std::int64_t images = 0;  ///< of the evaluated split that are in the split "train" ("train" itself, "all")
  std::int64_t identities = 0;  ///< of the queries that are in the split "train"
  std::int64_t queried = 0;     ///< identities of the queries in all
};

/// ids: persons of the queries.  provenance: the model's history, a list of {"command", "dataset": {"name",
/// "hash"}, ...}, or anything else where none is known. Throws InvalidInput if the split has no images.
TrainingOverlap training_overlap(const Dataset& dataset, const std::string& split,
                                 const std::set<std::int64_t>& ids, const Json& provenance);

/// One line that says so, "" where nothing is known to have been trained on: images of the training split
/// always, persons of it where the model was trained on this dataset.
std::string training_warning(const TrainingOverlap& overlap, const Dataset& dataset,
                             const std::string& split);

/// {"trained_here": true|false|null, "images", "identities"}
Json to_json(const TrainingOverlap& overlap);

}  // namespace edgeclip
