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

/// Puts the candidates of one query, which are the first of `found`, into their new order; the others stay behind them.
void rerank(const GallerySet& galleries, const float* query, std::vector<Found>& found, const RerankOptions& options) {
  const auto dim = static_cast<std::size_t>(galleries.embedding_dim()), count = std::min(found.size(), static_cast<std::size_t>(options.candidates));
  std::vector<float> rows(count * dim);
  for (std::size_t i = 0; i < count; ++i) galleries.read_row(found[i].item, rows.data() + i * dim);
  std::vector<Found> ordered;
  for (const std::size_t i : k_reciprocal_order(query, rows.data(), count, dim, options)) ordered.push_back(found[i]);
  std::copy(ordered.begin(), ordered.end(), found.begin());
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
  const bool grouped = options.group != GroupBy::kNone;
  const std::int64_t candidates = std::min(options.rerank.candidates, most);
  if (!grouped && candidates == 0) return best(0, queries.shape[0]);
  std::vector<std::vector<Found>> results;
  for (std::int64_t q = 0; q < queries.shape[0]; ++q) {
    const std::int64_t wanted = std::min(options.top, most);
    // Of groups more and more, until there are enough among them.
    for (std::int64_t top = std::max(candidates, grouped ? std::min(8 * wanted, most) : wanted);; top = std::min(4 * top, most)) {
      throw_if_interrupted();
      scan.top = top;
      std::vector<Found> found = std::move(best(q, 1).front());
      const bool all = static_cast<std::int64_t>(found.size()) < top || top == most;
      if (candidates > 0) rerank(galleries, queries.as<float>() + q * dim, found, options.rerank);
      if (grouped) found = best_of_groups(galleries, found, options);
      if (grouped && static_cast<std::int64_t>(found.size()) < options.top && !all) continue;
      if (static_cast<std::int64_t>(found.size()) > options.top) found.resize(static_cast<std::size_t>(options.top));
      results.push_back(std::move(found));
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
