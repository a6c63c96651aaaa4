#include "data/dataset/batch_order.h"

#include <algorithm>
#include <list>
#include <unordered_map>
#include <unordered_set>

namespace edgeclip {

namespace {

using Group = std::vector<std::int64_t>;  ///< images of one person that stay together

std::int64_t person_of(const Dataset& dataset, const Group& group) {
  return dataset.images[static_cast<std::size_t>(group.front())].id;
}

/// Takes the next `size` groups whose persons are not in the batch yet; where too few are left within sight,
/// the first groups passed over fill it up.  In place, so that groups passed over come first in the next
/// batch.
std::vector<Group> take_batch(const Dataset& dataset, std::list<Group>& waiting, std::size_t size) {
  // A split of few persons must not make every batch look at every image.
  std::size_t sight = 64 * size;
  std::vector<Group> batch;
  std::unordered_set<std::int64_t> persons;
  for (auto at = waiting.begin(); at != waiting.end() && batch.size() < size && sight > 0; --sight) {
    if (persons.insert(person_of(dataset, *at)).second) {
      batch.push_back(std::move(*at));
      at = waiting.erase(at);
    } else {
      ++at;
    }
  }
  while (batch.size() < size && !waiting.empty()) {
    batch.push_back(std::move(waiting.front()));
    waiting.pop_front();
  }
  return batch;
}

/// Groups of exactly `size` images of one person each, in the order of their first images; the last group of
/// a person is filled up with the person's images from the first on.
std::vector<Group> groups_of_persons(const Dataset& dataset, const std::vector<std::int64_t>& images,
                                     std::size_t size) {
  std::vector<Group> groups;
  std::unordered_map<std::int64_t, std::vector<std::int64_t>> of_person;
  for (const std::int64_t image : images)
    of_person[dataset.images[static_cast<std::size_t>(image)].id].push_back(image);
  std::unordered_map<std::int64_t, std::size_t> taken;
  for (const std::int64_t image : images) {
    const std::int64_t person = dataset.images[static_cast<std::size_t>(image)].id;
    const auto& all = of_person[person];
    if (taken[person]++ % size != 0) continue;  // stands in the group of an earlier one
    Group group;
    for (std::size_t k = taken[person] - 1; group.size() < size; ++k) group.push_back(all[k % all.size()]);
    groups.push_back(std::move(group));
  }
  return groups;
}

/// Those of one rank: as many as every other rank has.
std::vector<Group> groups_of_rank(const std::vector<Group>& groups, const LoaderOptions& options) {
  const auto world = static_cast<std::size_t>(options.world), rank = static_cast<std::size_t>(options.rank);
  if (world == 1) return groups;
  const bool whole = options.drop_last && groups.size() >= world;
  const std::size_t each = whole ? groups.size() / world : (groups.size() + world - 1) / world;
  std::vector<Group> mine;
  for (std::size_t i = 0; i < each; ++i) mine.push_back(groups[(rank + i * world) % groups.size()]);
  return mine;
}

}  // namespace

std::vector<std::vector<std::int64_t>> batch_order(const Dataset& dataset, std::vector<std::int64_t> images,
                                                   const LoaderOptions& options, Rng rng) {
  const bool by_person = options.loading.identities > 0 && options.loading.images_per_identity > 0;
  if (options.shuffle) rng.shuffle(images);
  std::vector<Group> groups;
  if (by_person)
    groups =
        groups_of_persons(dataset, images, static_cast<std::size_t>(options.loading.images_per_identity));
  else
    for (const std::int64_t image : images) groups.push_back({image});
  groups = groups_of_rank(groups, options);

  const auto size = static_cast<std::size_t>(by_person ? options.loading.identities : options.batch);
  const std::size_t full = groups.size() / size;
  const std::size_t count = full + (groups.size() % size != 0 && (!options.drop_last || full == 0) ? 1 : 0);
  const bool choose = by_person || (options.shuffle && options.unique_ids);
  std::list<Group> waiting(groups.begin(), groups.end());
  std::vector<std::vector<std::int64_t>> batches(count);
  for (auto& batch : batches) {
    if (choose) {
      for (const Group& group : take_batch(dataset, waiting, size))
        batch.insert(batch.end(), group.begin(), group.end());
    } else {
      for (; batch.size() < size && !waiting.empty(); waiting.pop_front())
        batch.push_back(waiting.front().front());
    }
  }
  return batches;
}

}  // namespace edgeclip
