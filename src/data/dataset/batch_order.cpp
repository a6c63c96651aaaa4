#include "data/dataset/batch_order.h"

#include <algorithm>
#include <list>
#include <unordered_set>

namespace edgeclip {

namespace {

/// Takes the next `size` images whose persons are not in the batch yet; where too few are left within sight,
/// the first images passed over fill it up.  In place, so that images passed over come first in the next
/// batch.
std::vector<std::int64_t> take_batch(const Dataset& dataset, std::list<std::int64_t>& waiting,
                                     std::size_t size) {
  // A split of few persons must not make every batch look at every image.
  std::size_t sight = 64 * size;
  std::vector<std::int64_t> batch;
  std::unordered_set<std::int64_t> persons;
  for (auto at = waiting.begin(); at != waiting.end() && batch.size() < size && sight > 0; --sight) {
    if (persons.insert(dataset.images[static_cast<std::size_t>(*at)].id).second) {
      batch.push_back(*at);
      at = waiting.erase(at);
    } else {
      ++at;
    }
  }
  while (batch.size() < size && !waiting.empty()) {
    batch.push_back(waiting.front());
    waiting.pop_front();
  }
  return batch;
}

}  // namespace

std::int64_t batch_count(std::int64_t n, const LoaderOptions& options) {
  const std::int64_t full = n / options.batch;
  return full + (n % options.batch != 0 && (!options.drop_last || full == 0) ? 1 : 0);
}

std::vector<std::vector<std::int64_t>> batch_order(const Dataset& dataset, std::vector<std::int64_t> images,
                                                   const LoaderOptions& options, Rng rng) {
  const std::int64_t count = batch_count(static_cast<std::int64_t>(images.size()), options);
  const auto size = static_cast<std::size_t>(options.batch);
  if (options.shuffle) rng.shuffle(images);
  std::vector<std::vector<std::int64_t>> batches;
  if (options.shuffle && options.unique_ids) {
    std::list<std::int64_t> waiting(images.begin(), images.end());
    while (static_cast<std::int64_t>(batches.size()) < count)
      batches.push_back(take_batch(dataset, waiting, size));
    return batches;
  }
  for (std::size_t b = 0; b < static_cast<std::size_t>(count); ++b) {
    const auto first = images.begin() + static_cast<std::ptrdiff_t>(b * size);
    batches.emplace_back(
        first, images.begin() + static_cast<std::ptrdiff_t>(std::min((b + 1) * size, images.size())));
  }
  return batches;
}

}  // namespace edgeclip
