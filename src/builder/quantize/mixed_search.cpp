#include "builder/quantize/mixed_search.h"

#include <algorithm>

#include "base/error.h"
#include "base/progress.h"

namespace edgeclip::builder {
namespace {

constexpr double kRounding = 1e-9;  // of percentages that are differences of others

class Search {
 public:
  Search(BundleCandidates& candidates, double least) : candidates_(candidates), least_(least) {}

  RetrievalScore score(const std::vector<std::size_t>& stay) {
    BundleCandidates::Choice int8;
    for (std::size_t i = 0; i < candidates_.layers().size(); ++i)
      if (std::find(stay.begin(), stay.end(), i) == stay.end()) int8.insert(i);
    return candidates_.score(int8, /*tables=*/true);
  }
  bool is_enough(const std::vector<std::size_t>& stay) { return score(stay).r1 >= least_ - kRounding; }

 private:
  BundleCandidates& candidates_;
  const double least_;
};

}  // namespace

MixedChoice find_mixed(BundleCandidates& candidates, const Sensitivity& sensitivity, double most_loss) {
  std::vector<std::size_t> order;
  for (const LayerSensitivity& layer : sensitivity.layers) order.push_back(layer.layer);
  Search search(candidates, sensitivity.fp32.r1 - most_loss);
  const auto beginning = [&](std::size_t count) {
    return std::vector<std::size_t>(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count));
  };

  std::size_t enough = order.size();
  if (search.is_enough({})) {
    enough = 0;
  } else {
    // All of them are taken to be enough; a beginning that is not is `few` long.
    for (std::size_t few = 0; enough - few > 1;) {
      const std::size_t middle = few + (enough - few) / 2;
      (search.is_enough(beginning(middle)) ? enough : few) = middle;
    }
  }
  if (enough == order.size() && !order.empty())
    throw CheckNotMet(fmt::format(
        "--max-recall-loss {}: not one of {} layers can be int8 within it (R@1 {:.2f} in float32, {:.2f} "
        "with all of them in int8{}); "
        "allow more, or keep the bundle as it is",
        most_loss, order.size(), sensitivity.fp32.r1, sensitivity.int8.r1,
        search.is_enough(order) ? "" : fmt::format(", {:.2f} with tables alone", search.score(order).r1)));

  std::vector<std::size_t> stay = beginning(enough);
  Progress progress("search", static_cast<std::int64_t>(stay.size()), "layers");
  for (std::size_t i = stay.size(); i-- > 0;) {
    std::vector<std::size_t> fewer = stay;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    if (search.is_enough(fewer)) stay = std::move(fewer);
    progress.advance();
  }
  return {stay, search.score(stay)};
}

}  // namespace edgeclip::builder
