#include "retrieval/evaluate/example_retrievals.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "retrieval/evaluate/dot.h"

namespace edgeclip {

namespace {

ExampleRetrieval example_of(const ExampleSource& source, std::int64_t query, int top) {
  const auto row = static_cast<std::size_t>(query);
  const std::int64_t items = source.images.dim(0), dim = source.images.dim(1);
  std::vector<float> scores(static_cast<std::size_t>(items));
  score_block(source.texts.data<float>() + query * dim, 1, source.images.data<float>(), items, dim,
              scores.data());
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });

  ExampleRetrieval example{source.captions[row], source.caption_ids[row], 0, {}};
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    const std::size_t item = order[rank];
    const bool right = source.image_ids[item] == example.id;
    if (right && example.first_right == 0) example.first_right = static_cast<std::int64_t>(rank) + 1;
    if (rank < static_cast<std::size_t>(top))
      example.hits.push_back({source.image_paths[item], scores[item], right});
  }
  return example;
}

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
      examples.push_back(example_of(source, query, top));
      break;
    }
  return examples;
}

Json to_json(const std::vector<ExampleRetrieval>& examples) {
  Json json = Json::array();
  for (const auto& example : examples) {
    Json results = Json::array();
    for (const auto& hit : example.hits)
      results.push_back(
          {{"rank", results.size() + 1}, {"path", hit.path}, {"score", hit.score}, {"right", hit.right}});
    json.push_back({{"caption", example.caption},
                    {"id", example.id},
                    {"first_right", example.first_right == 0 ? Json(nullptr) : Json(example.first_right)},
                    {"results", results}});
  }
  return json;
}

}  // namespace edgeclip
