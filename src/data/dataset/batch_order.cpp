#include "data/dataset/batch_order.h"

#include <algorithm>
#include <list>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"

namespace edgeclip {

namespace {

using Items = std::vector<BatchItem>;
using Group = Items;  ///< items of one person that stay together

std::int64_t person_of(const Dataset& dataset, const BatchItem& item) {
  return dataset.images[static_cast<std::size_t>(item.image)].id;
}

std::int64_t person_of(const Dataset& dataset, const Group& group) {
  return person_of(dataset, group.front());
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

/// Groups of exactly `size` items of one person each, in the order of their first items; the last group of a
/// person is filled up with the person's items from the first on.
std::vector<Group> groups_of_persons(const Dataset& dataset, const Items& items, std::size_t size) {
  std::vector<Group> groups;
  std::unordered_map<std::int64_t, Items> of_person;
  for (const BatchItem& item : items) of_person[person_of(dataset, item)].push_back(item);
  std::unordered_map<std::int64_t, std::size_t> taken;
  for (const BatchItem& item : items) {
    const std::int64_t person = person_of(dataset, item);
    const auto& all = of_person[person];
    if (taken[person]++ % size != 0) continue;  // stands in the group of an earlier one
    Group group;
    for (std::size_t k = taken[person] - 1; group.size() < size; ++k) group.push_back(all[k % all.size()]);
    groups.push_back(std::move(group));
  }
  return groups;
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
std::vector<Items> batches_of_persons(const Dataset& dataset, std::vector<Group> groups, std::size_t size) {
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
  std::vector<Items> batches(count);
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

std::vector<Group> groups_of_one(const Items& items) {
  std::vector<Group> groups;
  groups.reserve(items.size());
  for (const BatchItem& item : items) groups.push_back({item});
  return groups;
}

/// What to do about a batch of which there are `most` at most.
std::string remedy(std::int64_t most, const char* otherwise) {
  return most < 2 ? otherwise : fmt::format("set batch to at most {}, or {}", most, otherwise);
}

/// Throws unless the items fill a batch.
void require_a_batch(const Dataset& dataset, const Items& items, const LoaderOptions& options) {
  const LoadingOptions& loading = options.loading;
  const std::string& split = options.split;
  const std::string where = dataset.directory.string();
  const std::int64_t batch = options.batch, persons = dataset.identities(split);
  if (loading.identities > persons)
    invalid_input(
        "loading.identities: {} persons per batch, but split \"{}\" of {} has {}; set it to at most that",
        loading.identities, split, where, persons);
  if (loading.identities > 0) return;
  if (loading.unique_ids == "always" && batch > persons)
    invalid_input(
        "batch: {} different persons (loading.unique_ids always), but split \"{}\" of {} has {}; {}", batch,
        split, where, persons, remedy(persons, "loading.unique_ids to prefer"));
  if (const auto rows = static_cast<std::int64_t>(items.size()); options.drop_last && batch > rows)
    invalid_input("batch: {} is more than split \"{}\" of {} has: {} {}; {}", batch, split, where, rows,
                  loading.captions == "all" ? "pairs" : "images", remedy(rows, "add images to it"));
}

}  // namespace

std::vector<BatchItem> items_of_epoch(const Dataset& dataset, const LoaderOptions& options) {
  Items items;
  for (const std::int64_t image : dataset.split(options.split)) {
    if (options.loading.captions == "all")
      for (const std::int64_t pair : dataset.images[static_cast<std::size_t>(image)].rows)
        items.push_back({image, pair});
    else
      items.push_back({image});
  }
  require_a_batch(dataset, items, options);
  return items;
}

std::vector<std::vector<BatchItem>> batch_order(const Dataset& dataset, std::vector<BatchItem> items,
                                                const LoaderOptions& options, Rng rng) {
  const LoadingOptions& loading = options.loading;
  if (options.shuffle) rng.shuffle(items);
  if (loading.identities > 0)
    return batches_of_persons(
        dataset, groups_of_persons(dataset, items, static_cast<std::size_t>(loading.images_per_identity)),
        static_cast<std::size_t>(loading.identities));
  const auto size = static_cast<std::size_t>(options.batch);
  std::vector<Group> groups = groups_of_one(items);
  if (loading.unique_ids == "always") return batches_of_persons(dataset, std::move(groups), size);

  const bool short_one = groups.size() % size != 0 && !options.drop_last;
  std::vector<Items> batches(groups.size() / size + (short_one ? 1 : 0));
  std::list<Group> waiting(groups.begin(), groups.end());
  for (Items& batch : batches) {
    if (options.shuffle && loading.unique_ids == "prefer") {
      for (const Group& group : take_batch(dataset, waiting, size))
        batch.insert(batch.end(), group.begin(), group.end());
    } else {
      for (; batch.size() < size && !waiting.empty(); waiting.pop_front())
        batch.push_back(waiting.front().front());
    }
  }
  return batches;
}

std::pair<std::int64_t, std::int64_t> part_of_rank(std::int64_t n, int rank, int world) {
  return {n * rank / world, n * (rank + 1) / world};
}

}  // namespace edgeclip
