#include "retrieval/evaluate/latency_drift.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace edgeclip {

namespace {

std::optional<double> median_of(const QuantileSketch& ms) {
  return ms.count() > 0 ? std::optional(ms.quantile(0.5)) : std::nullopt;
}

}  // namespace

std::optional<double> LatencyDrift::Result::ratio() const {
  return first_ms && last_ms && *first_ms > 0 ? std::optional(*last_ms / *first_ms) : std::nullopt;
}

LatencyDrift::LatencyDrift(const std::vector<Class>& classes, double begin, double end)
    : begin_(begin), length_((end - begin) / kTenths), end_(end), states_(classes.size()) {
  EDGECLIP_CHECK(end > begin, "{} to {}", begin, end);
  for (State& state : states_)
    for (QuantileSketch* sketch : {&state.first, &state.before, &state.now}) sketch->reserve();
}

int LatencyDrift::tenth_at(double seconds) const {
  if (seconds < begin_) return -1;
  return std::min(static_cast<int>((seconds - begin_) / length_), kTenths - 1);
}

void LatencyDrift::go_to(int tenth) {
  if (tenth <= tenth_) return;
  for (State& state : states_) {
    std::swap(state.before, state.now);
    state.now.clear();
    if (tenth > tenth_ + 1) state.before.clear();  // a whole tenth without a query lies between
  }
  tenth_ = tenth;
}

void LatencyDrift::add(std::size_t of_class, double seconds, double ms) {
  State& state = states_.at(of_class);
  ++state.batches;
  go_to(tenth_at(seconds));
  if (tenth_ < 0) return;
  if (tenth_ == 0) state.first.add(ms);
  state.now.add(ms);
}

std::vector<LatencyDrift::Result> LatencyDrift::results(double seconds) {
  go_to(tenth_at(seconds));
  const bool whole = seconds >= end_;
  std::vector<Result> results;
  for (const State& state : states_) {
    Result result;
    result.batches = state.batches;
    if (tenth_ > 0 || whole) result.first_ms = median_of(state.first);
    if (whole)
      result.last_ms = median_of(state.now);
    else if (tenth_ > 1)  // the one before is neither this nor the first
      result.last_ms = median_of(state.before);
    results.push_back(result);
  }
  return results;
}

}  // namespace edgeclip
