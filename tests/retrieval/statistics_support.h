#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "retrieval/evaluate/query_outcome.h"
#include "support/support.h"

namespace edgeclip::test {

inline Json statistics_golden() { return read_json(golden("statistics/statistics.json")); }

/// The queries of one of its models (0 or 1), of the first `persons` (0: all).
inline std::vector<QueryOutcome> golden_queries(const Json& values, std::size_t model,
                                                std::int64_t persons = 0) {
  std::vector<QueryOutcome> outcomes;
  for (const Json& row : values.at("queries")) {
    if (persons > 0 && row[0].get<std::int64_t>() >= 7 * persons) continue;  // ids are 0, 7, 14, ...
    QueryOutcome outcome;
    outcome.number = static_cast<std::int64_t>(outcomes.size());
    outcome.id = row[0].get<std::int64_t>();
    outcome.metrics = {row[1 + 3 * model].get<double>(), row[2 + 3 * model].get<double>(),
                       row[3 + 3 * model].get<double>()};
    outcomes.push_back(outcome);
  }
  return outcomes;
}

}  // namespace edgeclip::test
