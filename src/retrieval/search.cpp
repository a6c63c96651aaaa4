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
  const std::int64_t count = queries.shape[0], group = 16;
  const float* rows = gallery.embeddings.data<float>();
  const float* vectors = queries.as<float>();
  std::vector<std::vector<SearchHit>> results(static_cast<std::size_t>(count));
  parallel_for((count + group - 1) / group, [&](std::int64_t g) {
    const std::int64_t begin = g * group, end = std::min(begin + group, count), step = block_rows(dim);
    std::vector<TopK> best(static_cast<std::size_t>(end - begin),
                           TopK(static_cast<std::size_t>(std::min(options.top, items))));
    std::vector<float> scores(static_cast<std::size_t>((end - begin) * step));
    for (std::int64_t block = 0; block < items; block += step) {
      const std::int64_t here = std::min(step, items - block);
      score_block(vectors + begin * dim, end - begin, rows + block * dim, here, dim, scores.data());
      for (std::int64_t q = 0; q < end - begin; ++q)
        for (std::int64_t r = 0; r < here; ++r) {
          const float score = scores[static_cast<std::size_t>(q * here + r)];
          if (score >= options.threshold) best[static_cast<std::size_t>(q)].offer({score, block + r});
        }
    }
    for (std::int64_t q = begin; q < end; ++q) {
      auto& hits = results[static_cast<std::size_t>(q)];
      for (const Candidate& c : best[static_cast<std::size_t>(q - begin)].sorted()) {
        const GalleryItem& item = gallery.items[static_cast<std::size_t>(c.item)];
        hits.push_back({static_cast<std::int64_t>(hits.size()) + 1, c.score, item.path, item.id, c.item});
      }
    }
  });
  return results;
}

}  // namespace edgeclip
