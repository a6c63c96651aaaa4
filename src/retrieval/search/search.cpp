#include "retrieval/search/search.h"

#include <algorithm>
#include <unordered_set>

#include "base/error.h"
#include "base/signals.h"
#include "base/threads.h"
#include "kernels/thread_pool.h"

namespace edgeclip {

namespace {

/// What an item is one of, or "".  A person is one in whatever shard; a track is one of a camera, and of what was indexed together.
std::string group_of(const GallerySet& galleries, std::int64_t place, GroupBy by) {
  const GalleryItem item = galleries.item(place);
  if (by == GroupBy::kPerson) return item.id < 0 ? "" : std::to_string(item.id);
  const GallerySet::At at = galleries.at(place);
  const GallerySnapshot& gallery = galleries.galleries()[at.which];
  const std::int32_t source = gallery.source_number(at.place);
  return item.track < 0 ? "" : fmt::format("{} {} {} {} {}", at.which, source, item.in_video ? item.path : "", item.track, item.camera);
}

/// The best of each group, K at most.
std::vector<Found> best_of_groups(const GallerySet& galleries, const std::vector<Found>& found, const SearchOptions& options) {
  std::vector<Found> best;
  std::unordered_set<std::string> seen;
  for (const Found& f : found) {
    if (static_cast<std::int64_t>(best.size()) == options.top) break;
    const std::string group = group_of(galleries, f.item, options.group);
    if (group.empty() || seen.insert(group).second) best.push_back(f);
  }
  return best;
}

/// The candidates of one query in their new order.
std::vector<Found> reranked(const GallerySet& galleries, const float* query, const std::vector<Found>& found, const RerankOptions& options) {
  const auto dim = static_cast<std::size_t>(galleries.embedding_dim());
  std::vector<float> rows(found.size() * dim);
  for (std::size_t i = 0; i < found.size(); ++i) galleries.read_row(found[i].item, rows.data() + i * dim);
  std::vector<Found> ordered;
  for (const std::size_t i : k_reciprocal_order(query, rows.data(), found.size(), dim, options)) ordered.push_back(found[i]);
  return ordered;
}

}  // namespace

std::vector<std::vector<Found>> find(const GallerySet& galleries, const TensorView& queries, const SearchOptions& options) {
  if (options.top < 1) invalid_input("top: {} is not at least 1", options.top);
  options.rerank.check("");
  const std::int64_t dim = galleries.embedding_dim();
  if (queries.shape.size() != 2 || queries.shape[1] != dim)
    invalid_input("{}: has embeddings of width {}, the queries are {}; search with the model that made the gallery",
                  galleries.galleries().front().directory().string(), dim, shape_string(queries.shape));
  std::vector<kernels::ScanRows> rows = galleries.scan_rows();
  const FilterMasks masks(galleries, options.filter, rows);
  const std::int64_t most = std::max<std::int64_t>(1, masks.passing());
  kernels::ScanOptions scan;
  scan.top = std::min(options.top, most);
  scan.threshold = options.threshold;
  scan.stopped = [] {
    throw_if_interrupted();
    return false;
  };
  const auto pool = kernels::shared_pool(options.threads > 0 ? options.threads : thread_count());
  const auto best = [&](std::int64_t q, std::int64_t count) {
    return kernels::top_k(*pool, rows, {queries.as<float>() + q * dim, count, dim}, scan);
  };
  if (options.rerank.candidates > 0) {
    scan.top = std::min(std::max(options.rerank.candidates, options.top), most);
    std::vector<std::vector<Found>> results = best(0, queries.shape[0]);
    for (std::size_t q = 0; q < results.size(); ++q) {
      throw_if_interrupted();
      results[q] = reranked(galleries, queries.as<float>() + static_cast<std::int64_t>(q) * dim, results[q], options.rerank);
      if (options.group != GroupBy::kNone) results[q] = best_of_groups(galleries, results[q], options);
      if (static_cast<std::int64_t>(results[q].size()) > options.top) results[q].resize(static_cast<std::size_t>(options.top));
    }
    return results;
  }
  if (options.group == GroupBy::kNone) return best(0, queries.shape[0]);
  std::vector<std::vector<Found>> results;
  for (std::int64_t q = 0; q < queries.shape[0]; ++q) {
    // More and more of them, until there are enough groups among them.
    for (std::int64_t top = std::min(8 * std::min(options.top, most), most);; top = std::min(4 * top, most)) {
      scan.top = top;
      const std::vector<Found> found = std::move(best(q, 1).front());
      std::vector<Found> groups = best_of_groups(galleries, found, options);
      if (static_cast<std::int64_t>(groups.size()) < options.top && static_cast<std::int64_t>(found.size()) == top && top < most) continue;
      results.push_back(std::move(groups));
      break;
    }
  }
  return results;
}

std::vector<std::vector<SearchHit>> search(const GallerySet& galleries, const TensorView& queries, const SearchOptions& options) {
  const bool several = galleries.galleries().size() > 1;
  std::vector<std::vector<SearchHit>> results;
  for (const std::vector<Found>& found : find(galleries, queries, options)) {
    auto& hits = results.emplace_back();
    for (const Found& f : found) {
      SearchHit hit{static_cast<std::int64_t>(hits.size()) + 1, f.score, f.item, galleries.number(f.item), galleries.item(f.item)};
      if (several) hit.gallery = galleries.galleries()[galleries.at(f.item).which].directory().string();
      hits.push_back(std::move(hit));
    }
  }
  return results;
}

}  // namespace edgeclip
