#include "retrieval/evaluate/example_retrievals.h"

#include <algorithm>
#include <set>
#include <utility>

#include "retrieval/evaluate/dot.h"

namespace edgeclip {

namespace {

/// The whole ranking of one caption.
struct RankedImages {
  std::vector<float> scores;       ///< by image
  std::vector<std::size_t> order;  ///< best first
};

RankedImages rank_images(const ExampleSource& source, std::int64_t query) {
  const std::int64_t items = source.images.dim(0), dim = source.images.dim(1);
  RankedImages ranked;
  ranked.scores.resize(static_cast<std::size_t>(items));
  score_block(source.texts.data<float>() + query * dim, 1, source.images.data<float>(), items, dim,
              ranked.scores.data());
  ranked.order = best_items(ranked.scores.data(), ranked.scores.size(), ranked.scores.size());
  return ranked;
}

ExampleRetrieval example_of(const ExampleSource& source, std::int64_t query, const RankedImages& ranked,
                            int top) {
  const auto row = static_cast<std::size_t>(query);
  ExampleRetrieval example{source.captions[row], source.caption_ids[row], 0, {}};
  for (std::size_t rank = 0; rank < ranked.order.size(); ++rank) {
    const std::size_t item = ranked.order[rank];
    const bool right = source.image_keys[item] == source.caption_keys[row];
    if (right && example.first_right == 0) example.first_right = static_cast<std::int64_t>(rank) + 1;
    if (rank < static_cast<std::size_t>(top))
      example.hits.push_back({source.image_paths[item], ranked.scores[item], right});
  }
  return example;
}

Json hits_json(const std::vector<ExampleRetrieval::Hit>& hits) {
  Json results = Json::array();
  for (const auto& hit : hits)
    results.push_back(
        {{"rank", results.size() + 1}, {"path", hit.path}, {"score", hit.score}, {"right", hit.right}});
  return results;
}

Json rank_or_null(std::int64_t rank) { return rank == 0 ? Json(nullptr) : Json(rank); }

}  // namespace

std::vector<ExampleRetrieval> example_retrievals(const ExampleSource& source,
                                                 const std::vector<std::int64_t>& queries, int count,
                                                 int top) {
  std::vector<ExampleRetrieval> examples;
  std::set<std::string> shown;
  const auto all = static_cast<std::int64_t>(queries.size());
  const std::int64_t most = std::min<std::int64_t>(count, all);
  for (std::int64_t i = 0; i < most; ++i)
    for (std::int64_t k = i * all / most; k < (i + 1) * all / most; ++k) {  // the next one if this was there
      const std::int64_t query = queries[static_cast<std::size_t>(k)];
      if (!shown.insert(source.captions[static_cast<std::size_t>(query)]).second) continue;
      examples.push_back(example_of(source, query, rank_images(source, query), top));
      break;
    }
  return examples;
}

std::vector<WorstQuery> worst_queries(const ExampleSource& source, const std::vector<QueryOutcome>& outcomes,
                                      int count, int top) {
  std::vector<WorstQuery> worst;
  if (count <= 0) return worst;
  std::vector<const QueryOutcome*> order;
  for (const QueryOutcome& outcome : outcomes) order.push_back(&outcome);
  const auto rank = [](const QueryOutcome& o) {
    return o.metrics.first_rank == 0 ? static_cast<double>(o.gallery) + 1 : o.metrics.first_rank;
  };
  std::stable_sort(order.begin(), order.end(), [&](const QueryOutcome* a, const QueryOutcome* b) {
    return a->metrics.ap != b->metrics.ap ? a->metrics.ap < b->metrics.ap : rank(*a) > rank(*b);
  });
  std::set<std::pair<std::int64_t, std::string>> shown;  // key, caption
  for (const QueryOutcome* outcome : order) {
    if (worst.size() == static_cast<std::size_t>(count)) break;
    const auto row = static_cast<std::size_t>(outcome->number);
    if (!shown.emplace(source.caption_keys[row], source.captions[row]).second) continue;
    const RankedImages ranked = rank_images(source, outcome->number);
    WorstQuery query{example_of(source, outcome->number, ranked, top),
                     outcome->number,
                     outcome->metrics.ap,
                     outcome->relevant,
                     {}};
    if (query.found.first_right > 0) {
      const std::size_t item = ranked.order[static_cast<std::size_t>(query.found.first_right - 1)];
      query.right = {source.image_paths[item], ranked.scores[item], true};
    }
    worst.push_back(std::move(query));
  }
  return worst;
}

Json to_json(const std::vector<WorstQuery>& worst) {
  Json json = Json::array();
  for (const WorstQuery& query : worst) {
    const Json right = query.right.path.empty()
                           ? Json(nullptr)
                           : Json({{"path", query.right.path}, {"score", query.right.score}});
    json.push_back({{"number", query.number},
                    {"caption", query.found.caption},
                    {"id", query.found.id},
                    {"ap", query.ap},
                    {"first_right", rank_or_null(query.found.first_right)},
                    {"relevant", query.relevant},
                    {"right", right},
                    {"results", hits_json(query.found.hits)}});
  }
  return json;
}

Json to_json(const std::vector<ExampleRetrieval>& examples) {
  Json json = Json::array();
  for (const auto& example : examples)
    json.push_back({{"caption", example.caption},
                    {"id", example.id},
                    {"first_right", rank_or_null(example.first_right)},
                    {"results", hits_json(example.hits)}});
  return json;
}

}  // namespace edgeclip
