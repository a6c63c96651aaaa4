#include "retrieval/search.h"

#include <algorithm>

#include "base/error.h"
#include "base/threads.h"
#include "retrieval/dot.h"

namespace edgeclip {
namespace {

struct Candidate {
  float score;
  std::int64_t item;
};

bool better(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score > b.score : a.item < b.item;
}

/// Keeps the K best: a heap whose top is the worst one kept.
class TopK {
 public:
  explicit TopK(std::size_t k) : k_(k) {}
  void offer(const Candidate& c) {
    if (heap_.size() < k_) {
      heap_.push_back(c);
      std::push_heap(heap_.begin(), heap_.end(), better);
    } else if (better(c, heap_.front())) {
      std::pop_heap(heap_.begin(), heap_.end(), better);
      heap_.back() = c;
      std::push_heap(heap_.begin(), heap_.end(), better);
    }
  }
  std::vector<Candidate> sorted() {
    std::sort_heap(heap_.begin(), heap_.end(), better);
    return std::move(heap_);
  }

 private:
  const std::size_t k_;
  std::vector<Candidate> heap_;
};

}  // namespace

std::vector<std::vector<SearchHit>> search(const Gallery& gallery, const TensorView& queries,
                                           const SearchOptions& options) {
  if (options.top < 1) invalid_input("top: {} is not at least 1", options.top);
  const std::int64_t dim = gallery.embedding_dim, items = gallery.size();
  if (queries.shape.size() != 2 || queries.shape[1] != dim)
    invalid_input(
        "{}: has embeddings of width {}, the queries are {}; search with the model that made the gallery",
        gallery.directory.string(), dim, shape_string(queries.shape));
  const std::int64_t count = queries.shape[0], group = 16, groups = (count + group - 1) / group;
  const int threads = options.threads > 0 ? options.threads : thread_count();
  // A few queries share the threads by parts of the gallery instead.
  const std::int64_t step = block_rows(dim), blocks = (items + step - 1) / step;
  const std::int64_t parts = std::clamp<std::int64_t>(threads / std::max<std::int64_t>(groups, 1), 1,
                                                      std::max<std::int64_t>(blocks, 1));
  const auto k = static_cast<std::size_t>(std::min(options.top, items));
  std::vector<TopK> best(static_cast<std::size_t>(count * parts), TopK(k));  // [query][part]
  const float* rows = gallery.embeddings.data<float>();
  const float* vectors = queries.as<float>();
  std::vector<std::vector<SearchHit>> results(static_cast<std::size_t>(count));
  const auto score_part = [&](std::int64_t task) {
    const std::int64_t part = task % parts, begin = task / parts * group,
                       end = std::min(begin + group, count);
    const auto best_of = [&](std::int64_t q) -> TopK& {
      return best[static_cast<std::size_t>(q * parts + part)];
    };
    std::vector<float> scores(static_cast<std::size_t>((end - begin) * step));
    for (std::int64_t block = blocks * part / parts; block < blocks * (part + 1) / parts; ++block) {
      const std::int64_t first = block * step, here = std::min(step, items - first);
      score_block(vectors + begin * dim, end - begin, rows + first * dim, here, dim, scores.data());
      for (std::int64_t q = begin; q < end; ++q)
        for (std::int64_t r = 0; r < here; ++r) {
          const float score = scores[static_cast<std::size_t>((q - begin) * here + r)];
          if (score >= options.threshold) best_of(q).offer({score, first + r});
        }
    }
  };
  parallel_for(groups * parts, score_part, threads);
  for (std::int64_t q = 0; q < count; ++q) {
    TopK& all = best[static_cast<std::size_t>(q * parts)];
    for (std::int64_t part = 1; part < parts; ++part)
      for (const Candidate& c : best[static_cast<std::size_t>(q * parts + part)].sorted()) all.offer(c);
    auto& hits = results[static_cast<std::size_t>(q)];
    for (const Candidate& c : all.sorted()) {
      const GalleryItem& item = gallery.items[static_cast<std::size_t>(c.item)];
      hits.push_back(
          {static_cast<std::int64_t>(hits.size()) + 1, c.score, item.path, item.id, c.item, item.caption});
    }
  }
  return results;
}

}  // namespace edgeclip
