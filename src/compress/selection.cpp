#include "compress/selection.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace edgeclip {

namespace {

/// A group's units in the order in which they would go.
struct Queue {
  std::vector<std::int64_t> order;  ///< units, least important first
  std::vector<double> score;        ///< as the ranking has it, of order[i]
  int multiple = 1;
  std::int64_t removed = 0;
  std::int64_t most = 0;  ///< that may be removed

  std::int64_t size() const { return static_cast<std::int64_t>(order.size()); }
  /// Units that would go next: the first ones also bring the group to a multiple.
  std::int64_t next() const {
    const std::int64_t odd = (size() - removed) % multiple;
    return odd != 0 ? odd : multiple;
  }
  bool may_lose(std::int64_t n) const { return removed + n <= most; }
  double sum_of_next(std::int64_t n) const {
    return std::accumulate(score.begin() + removed, score.begin() + removed + n, 0.0);
  }
};

/// What a group's scores are divided by.
double divisor(const UnitScores& group, Ranking ranking) {
  if (ranking == Ranking::score) return 1;
  if (ranking == Ranking::score_per_mac) return group.macs;
  const double sum = std::accumulate(group.scores.begin(), group.scores.end(), 0.0);
  return sum > 0 ? sum / static_cast<double>(group.scores.size()) : 1.0;
}

Queue ranked(const UnitScores& group, Ranking ranking) {
  for (const float score : group.scores) EDGECLIP_CHECK(std::isfinite(score), "a score is {}", score);  // no order among such
  EDGECLIP_CHECK(group.multiple >= 1 && group.least >= 1);
  Queue queue;
  queue.multiple = group.multiple;
  queue.order.resize(group.scores.size());
  std::iota(queue.order.begin(), queue.order.end(), 0);
  const auto score_of = [&](std::int64_t unit) { return group.scores[static_cast<std::size_t>(unit)]; };
  std::stable_sort(queue.order.begin(), queue.order.end(), [&](std::int64_t a, std::int64_t b) {
    const float x = score_of(a), y = score_of(b);
    return x != y ? x < y : a > b;
  });
  const double by = divisor(group, ranking);
  for (const std::int64_t unit : queue.order) queue.score.push_back(score_of(unit) / by);
  queue.most = std::max<std::int64_t>(queue.size() - group.least, 0);
  return queue;
}

std::vector<Queue> ranked(const std::vector<UnitScores>& groups, Ranking ranking) {
  std::vector<Queue> queues;
  for (const UnitScores& group : groups) queues.push_back(ranked(group, ranking));
  return queues;
}

KeptUnits left_of(const std::vector<Queue>& queues) {
  KeptUnits kept;
  for (const Queue& queue : queues) {
    kept.emplace_back(queue.order.begin() + queue.removed, queue.order.end());
    std::sort(kept.back().begin(), kept.back().end());
  }
  return kept;
}

void remove_globally(std::vector<Queue>& queues, double remove) {
  double total = 0;
  for (const Queue& queue : queues) total += static_cast<double>(queue.size());
  auto left = static_cast<std::int64_t>(std::floor(remove * total + 1e-9));
  for (;;) {
    Queue* cheapest = nullptr;
    double lowest = 0;
    for (Queue& queue : queues) {
      const std::int64_t n = queue.next();
      if (n > left || !queue.may_lose(n)) continue;
      const double score = queue.sum_of_next(n) / static_cast<double>(n);
      if (cheapest == nullptr || score < lowest) cheapest = &queue, lowest = score;
    }
    if (cheapest == nullptr) return;
    const std::int64_t n = cheapest->next();
    cheapest->removed += n;
    left -= n;
  }
}

void remove_from_each(std::vector<Queue>& queues, double remove) {
  for (Queue& queue : queues) {
    const auto wanted = static_cast<std::int64_t>(std::floor(remove * static_cast<double>(queue.size()) + 1e-9));
    while (queue.may_lose(queue.next()) && queue.removed + queue.next() <= wanted) queue.removed += queue.next();
  }
}

}  // namespace

KeptUnits select_units(const std::vector<UnitScores>& groups, double remove, bool global, Ranking ranking) {
  std::vector<Queue> queues = ranked(groups, ranking);
  if (global)
    remove_globally(queues, remove);
  else
    remove_from_each(queues, remove);
  return left_of(queues);
}

MacSelection select_for_macs(const std::vector<UnitScores>& groups, const PassCost& cost, double most_macs, Ranking ranking) {
  std::vector<Queue> queues = ranked(groups, ranking == Ranking::group_mean ? ranking : Ranking::score);
  std::vector<std::int64_t> kept = cost.all_units();
  EDGECLIP_CHECK(kept.size() == queues.size(), "{} groups, the cost is of {}", queues.size(), kept.size());
  double macs = cost.macs(kept);
  while (macs > most_macs) {
    std::size_t cheapest = queues.size();
    double lowest = 0;
    for (std::size_t g = 0; g < queues.size(); ++g) {
      const std::int64_t n = queues[g].next();
      if (!queues[g].may_lose(n)) continue;
      const double score = queues[g].sum_of_next(n) / cost.saved(kept, g, n);
      if (cheapest == queues.size() || score < lowest) cheapest = g, lowest = score;
    }
    if (cheapest == queues.size()) break;
    const std::int64_t n = queues[cheapest].next();
    queues[cheapest].removed += n;
    kept[cheapest] -= n;
    macs = cost.macs(kept);
  }
  return {left_of(queues), macs};
}

}  // namespace edgeclip
