#include "compress/choose_units.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "model/profile.h"

namespace edgeclip {

namespace {

constexpr int kLatencySteps = 6;  ///< halvings of what is known of the goal: to 1/64 of the way

double pass_macs(const Checkpoint& checkpoint, int tokens) {
  const ModelProfile profile = profile_model(checkpoint.model, 1, tokens);
  return static_cast<double>(profile.image_macs + profile.text_macs);
}

Ranking ranking_of(const PruneOptions& options) {
  if (options.ranking == "score_per_mac") return Ranking::score_per_mac;
  if (options.ranking == "layer_mean" || (options.ranking == "auto" && options.importance != "taylor")) return Ranking::group_mean;
  return Ranking::score;
}

/// What is asked for of a kind, where ratios are.
double ratio_of(const PruneOptions& options, PruneKind kind) {
  switch (kind) {
    case PruneKind::neurons:
      return options.mlp_ratio;
    case PruneKind::heads:
      return options.head_ratio;
    case PruneKind::channels:
      return options.channel_ratio;
  }
  EDGECLIP_CHECK(false);
}

/// Some of the groups, and what is known of their units.
struct Candidates {
  std::vector<std::size_t> at;  ///< in the list of all
  std::vector<PruneGroup> groups;
  std::vector<UnitScores> scores;
  std::optional<PassCost> cost;
};

template <class Wanted>
Candidates candidates(const PruneOptions& options, const PruneStart& start, const Checkpoint& checkpoint,
                      const std::vector<PruneGroup>& groups, const std::vector<std::vector<float>>& scores, const Wanted& wanted) {
  Candidates some;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (!wanted(groups[g].kind)) continue;
    const double least = std::ceil(options.min_keep * static_cast<double>(start.units.at(groups[g].name)) - 1e-9);
    some.at.push_back(g);
    some.groups.push_back(groups[g]);
    some.scores.push_back({scores[g], groups[g].kind == PruneKind::heads ? 1 : options.multiple,
                           std::max<std::int64_t>(1, static_cast<std::int64_t>(least)), 1});
  }
  some.cost.emplace(checkpoint.model, some.groups, start.tokens);
  for (std::size_t i = 0; i < some.groups.size(); ++i) some.scores[i].macs = some.cost->saved(some.cost->all_units(), i, 1);
  return some;
}

void put(const Candidates& some, KeptUnits&& chosen, KeptUnits& kept) {
  for (std::size_t i = 0; i < some.at.size(); ++i) kept[some.at[i]] = std::move(chosen[i]);
}

KeptUnits whole(const std::vector<PruneGroup>& groups) {
  KeptUnits kept;
  for (const PruneGroup& group : groups) {
    kept.emplace_back();
    for (std::int64_t u = 0; u < group.units; ++u) kept.back().push_back(u);
  }
  return kept;
}

/// As much of what is there as the round's part of all that was there at the start.
double remove_now(double ratio, double part, const Candidates& some, const PruneStart& start) {
  double before = 0, now = 0;
  for (const PruneGroup& group : some.groups) {
    before += static_cast<double>(start.units.at(group.name));
    now += static_cast<double>(group.units);
  }
  return now > 0 ? std::max(0.0, (ratio * part * before - (before - now)) / now) : 0;
}

KeptUnits by_latency(const PruneOptions& options, const MeasureLatency& measure, const PruneStart& start, int round,
                     const Checkpoint& checkpoint, const std::vector<PruneGroup>& groups, const Candidates& some) {
  const double goal = *start.latency_ms - (*start.latency_ms - options.target_latency) * round / options.rounds;
  const PassCost& cost = *some.cost;
  const auto at_macs = [&](double macs) {
    KeptUnits kept = whole(groups);
    put(some, select_for_macs(some.scores, cost, macs, ranking_of(options)).kept, kept);
    return kept;
  };
  const auto latency = [&](const KeptUnits& kept) {
    return measure(with_units(checkpoint, groups, kept), start.tokens);
  };
  double high = cost.macs(cost.all_units());
  KeptUnits best = whole(groups);
  if (latency(best) <= goal) return best;
  best = at_macs(0);
  const double least = latency(best);
  if (round == 1 && least > options.target_latency)  // not after hours; later, a time that scatters is no reason to lose them
    invalid_input("target_latency: with min_keep {} the least that is left takes {:.3g} ms here, and {:.3g} are asked for; allow more, lower "
                  "min_keep, or drop whole blocks (blocks)",
                  options.min_keep, least, options.target_latency);
  double low = select_for_macs(some.scores, cost, 0, ranking_of(options)).macs;
  for (int step = 0; step < kLatencySteps; ++step) {
    const double middle = (low + high) / 2;
    KeptUnits kept = at_macs(middle);
    const double ms = latency(kept);
    spdlog::info("{:.0f} % of the multiply-accumulates: {:.3g} ms", 100 * middle / start.macs, ms);
    if (ms <= goal)
      best = std::move(kept), low = middle;
    else
      high = middle;
  }
  return best;
}

}  // namespace

PruneStart start_of(const PruneOptions& options, const MeasureLatency& latency, const Checkpoint& checkpoint, int tokens) {
  PruneStart start;
  start.tokens = tokens;
  start.macs = pass_macs(checkpoint, tokens);
  if (options.target_latency > 0) {
    start.latency_ms = latency(checkpoint, tokens);
    if (*start.latency_ms <= options.target_latency)
      spdlog::warn("target_latency: {:.3g} ms are asked for, and the network takes {:.3g} as it is: nothing has to go", options.target_latency,
                   *start.latency_ms);
  }
  return start;
}

PruneStart start_from(const Json& report) {
  PruneStart start;
  start.tokens = report.at("macs").at("tokens");
  start.macs = report.at("macs").at("before");
  if (report.contains("latency_ms")) start.latency_ms = report.at("latency_ms").at("before").get<double>();
  for (const PruneKind kind : kPruneKinds)
    for (const Json& layer : report.at(prune_kind_name(kind)).at("layers")) start.units[layer.at("name")] = layer.at("before");
  return start;
}

KeptUnits choose_units(const PruneOptions& options, const MeasureLatency& latency, int round, const PruneStart& start,
                       const Checkpoint& checkpoint, const std::vector<PruneGroup>& groups, const std::vector<std::vector<float>>& scores) {
  const double part = static_cast<double>(round) / options.rounds;
  KeptUnits kept = whole(groups);
  if (!options.has_target()) {
    for (const PruneKind kind : kPruneKinds) {
      const double ratio = ratio_of(options, kind);
      if (ratio == 0) continue;
      const Candidates some = candidates(options, start, checkpoint, groups, scores, [&](PruneKind k) { return k == kind; });
      if (some.groups.empty() && kind != PruneKind::neurons)  // whose part is a default
        invalid_input("{}_ratio: {} is asked for, and the network has no {}; leave it out", kind == PruneKind::heads ? "head" : "channel",
                      ratio, prune_kind_name(kind));
      if (ratio > 1 - options.min_keep)
        spdlog::warn("{} of the {} are to go, and min_keep {} leaves more of each layer; lower it", ratio, prune_kind_name(kind),
                     options.min_keep);
      const double remove = remove_now(ratio, part, some, start);
      put(some, select_units(some.scores, remove, options.global, ranking_of(options)), kept);
    }
    return kept;
  }
  const Candidates some = candidates(options, start, checkpoint, groups, scores, [&](PruneKind kind) {
    return std::find(options.kinds.begin(), options.kinds.end(), prune_kind_name(kind)) != options.kinds.end();
  });
  if (options.target_latency > 0) return by_latency(options, latency, start, round, checkpoint, groups, some);
  const double least = select_for_macs(some.scores, *some.cost, 0, ranking_of(options)).macs / start.macs;
  if (least > options.target_macs)  // said before the rounds that would lead there
    invalid_input("target_macs: with min_keep {} the part {:.3f} of the multiply-accumulates is the least that can be left of these kinds, "
                  "and {} is asked for; ask for more, lower min_keep, name more kinds, or drop whole blocks (blocks)",
                  options.min_keep, least, options.target_macs);
  const double goal = start.macs * (1 - (1 - options.target_macs) * part);
  put(some, select_for_macs(some.scores, *some.cost, goal, ranking_of(options)).kept, kept);
  return kept;
}

Json units_report(const MeasureLatency& latency, const PruneStart& start, const Checkpoint& pruned) {
  Json report;
  for (const PruneKind kind : kPruneKinds) report[prune_kind_name(kind)] = {{"before", 0}, {"after", 0}, {"layers", Json::array()}};
  for (const PruneGroup& group : prune_groups(pruned.model, start.tokens)) {
    Json& of_kind = report[prune_kind_name(group.kind)];
    const std::int64_t before = start.units.at(group.name);
    of_kind["before"] = of_kind["before"].get<std::int64_t>() + before;
    of_kind["after"] = of_kind["after"].get<std::int64_t>() + group.units;
    of_kind["layers"].push_back({{"name", group.name}, {"before", before}, {"after", group.units}});
  }
  const double macs = pass_macs(pruned, start.tokens);
  report["macs"] = {{"before", start.macs}, {"after", macs}, {"tokens", start.tokens}};
  if (start.latency_ms) report["latency_ms"] = {{"before", *start.latency_ms}, {"after", latency(pruned, start.tokens)}};
  std::string said;
  for (const PruneKind kind : kPruneKinds)
    if (const Json& of_kind = report[prune_kind_name(kind)]; of_kind["before"] != 0)
      said += fmt::format(", {} of {} {}", of_kind["after"].get<std::int64_t>(), of_kind["before"].get<std::int64_t>(), prune_kind_name(kind));
  spdlog::info("pruned: {:.1f} % of the multiply-accumulates stay{}", 100 * macs / start.macs, said);
  return report;
}

}  // namespace edgeclip
