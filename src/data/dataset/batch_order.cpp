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

/// What one rank has of the items: as many as every other rank.
template <class Item>
std::vector<Item> part_of_rank(const std::vector<Item>& items, const LoaderOptions& options) {
  const auto world = static_cast<std::size_t>(options.world), rank = static_cast<std::size_t>(options.rank);
  if (world == 1) return items;
  const bool whole = options.drop_last && items.size() >= world;
  const std::size_t each = whole ? items.size() / world : (items.size() + world - 1) / world;
  std::vector<Item> mine;
  for (std::size_t i = 0; i < each; ++i) mine.push_back(items[(rank + i * world) % items.size()]);
  return mine;
}

/// How many batches of `size` different persons their groups fill: the most B for which the groups, at most B
/// of a person, are size * B.
std::size_t count_batches(const std::vector<std::size_t>& groups_of_each, std::size_t size) {
  const auto fills = [&](std::size_t batches) {
    std::size_t sum = 0;
    for (const std::size_t n : groups_of_each) sum += std::min(n, batches);
    return sum >= size * batches;
  };
  std::size_t low = 0, high = 1;
  for (const std::size_t n : groups_of_each) high += n;
  while (high - low > 1) {
    const std::size_t middle = (low + high) / 2;
    (fills(middle) ? low : high) = middle;
  }
  return low;
}

/// Batches of `size` groups of different persons, as many as there can be; groups beyond that, the last ones,
/// are left out.  A person with as many groups as batches are left must be in each of them; the others come
/// in order.
std::vector<std::vector<std::int64_t>> batches_of_persons(const Dataset& dataset, std::vector<Group> groups,
                                                          std::size_t size) {
  std::unordered_map<std::int64_t, std::size_t> left;  // groups of a person that are still to be placed
  for (const Group& group : groups) ++left[person_of(dataset, group)];
  std::vector<std::size_t> counts;
  for (const auto& [person, n] : left) counts.push_back(n);
  const std::size_t count = count_batches(counts, size);
  std::size_t surplus = groups.size() - count * size;
  const auto leave_out = [&](auto unwanted) {  // from the back
    for (auto at = groups.rbegin(); at != groups.rend() && surplus > 0; ++at) {
      if (at->empty()) continue;
      std::size_t& n = left[person_of(dataset, *at)];
      if (!unwanted(n)) continue;
      --n;
      --surplus;
      at->clear();
    }
  };
  leave_out([&](std::size_t n) { return n > count; });
  leave_out([](std::size_t n) { return n > 0; });

  std::list<Group> waiting;
  for (Group& group : groups)
    if (!group.empty()) waiting.push_back(std::move(group));
  std::vector<std::vector<std::int64_t>> batches(count);
  for (std::size_t b = 0; b < count; ++b) {
    std::unordered_set<std::int64_t> chosen;
    const auto take = [&](auto wanted) {
      for (auto at = waiting.begin(); at != waiting.end() && chosen.size() < size;) {
        const std::int64_t person = person_of(dataset, *at);
        if (chosen.count(person) != 0 || !wanted(left[person])) {
          ++at;
          continue;
        }
        chosen.insert(person);
        --left[person];
        batches[b].insert(batches[b].end(), at->begin(), at->end());
        at = waiting.erase(at);
      }
    };
    const std::size_t batches_left = count - b;
    if (std::any_of(left.begin(), left.end(), [&](const auto& item) { return item.second == batches_left; }))
      take([&](std::size_t n) { return n == batches_left; });
    take([](std::size_t) { return true; });
  }
  return batches;
}

}  // namespace

std::vector<std::vector<std::int64_t>> batch_order(const Dataset& dataset, std::vector<std::int64_t> images,
                                                   const LoaderOptions& options, Rng rng) {
  if (options.shuffle) rng.shuffle(images);
  if (options.loading.identities > 0)
    return part_of_rank(
        batches_of_persons(
            dataset,
            groups_of_persons(dataset, images, static_cast<std::size_t>(options.loading.images_per_identity)),
            static_cast<std::size_t>(options.loading.identities)),
        options);
  std::vector<Group> groups;
  for (const std::int64_t image : images) groups.push_back({image});
  groups = part_of_rank(groups, options);

  const auto size = static_cast<std::size_t>(options.batch);
  const std::size_t full = groups.size() / size;
  const std::size_t count = full + (groups.size() % size != 0 && (!options.drop_last || full == 0) ? 1 : 0);
  std::list<Group> waiting(groups.begin(), groups.end());
  std::vector<std::vector<std::int64_t>> batches(count);
  for (auto& batch : batches) {
    if (options.shuffle && options.unique_ids) {
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
