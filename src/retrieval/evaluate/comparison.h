#pragma once

#include <cstdint>
#include <optional>

#include "base/json.h"
#include "retrieval/evaluate/bootstrap.h"
#include "retrieval/evaluate/paired_test.h"

namespace edgeclip {

/// One direction of a model beside that of another.
struct DirectionComparison {
  Measures against{};                         ///< what the other reaches, percent
  Measures difference{};                      ///< this - other, in points of percent
  std::optional<MeasureIntervals> intervals;  ///< of the difference
  PairedTest test;
};

/// Two models query by query, with persons as units (bootstrap.h, paired_test.h).
struct Comparison {
  std::int64_t identities = 0;
  DirectionComparison text_to_image, image_to_text;
};

/// Throws InvalidInput unless both are of the same queries (require_same_queries); names: for its message.
Comparison compare_outcomes(const QueryOutcomes& a, const std::string& name, const QueryOutcomes& b,
                            const std::string& other, const BootstrapOptions& bootstrap,
                            const PairedTestOptions& test);

/// {"identities","permutations","exact","text_to_image":{"R@1":{"against","difference","interval":[low,
/// high]|null,"p"},...},"image_to_text":{...}}
Json to_json(const Comparison& comparison);

}  // namespace edgeclip
