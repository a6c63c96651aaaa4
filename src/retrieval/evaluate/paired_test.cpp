#include "retrieval/evaluate/paired_test.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/rng.h"
#include "base/threads.h"

namespace edgeclip {
namespace {

/// Sums with the signs of the bits that next_bits() gives, 64 persons at a time.
template <class Bits>
Measures signed_sums(const std::vector<Measures>& sums, const Bits& next_bits) {
  Measures total{};
  std::uint64_t bits = 0;
  for (std::size_t c = 0; c < sums.size(); ++c) {
    if (c % 64 == 0) bits = next_bits();
    const double sign = (bits >> (c % 64) & 1) != 0 ? -1 : 1;
    for (std::size_t m = 0; m < kMeasures; ++m) total[m] += sign * sums[c][m];
  }
  return total;
}

}  // namespace

PairedTest paired_test(const ClusterSums& differences, const PairedTestOptions& options) {
  const std::vector<Measures>& sums = differences.sums;
  PairedTest result;
  result.exact =
      sums.size() < 62 && (std::int64_t{1} << sums.size()) <= std::max<std::int64_t>(options.permutations, 1);
  result.permutations = result.exact ? std::int64_t{1} << sums.size() : options.permutations;

  const Measures found = signed_sums(sums, [] { return std::uint64_t{0}; });
  Measures least{};  // distance from 0 that counts as being as far
  for (std::size_t m = 0; m < kMeasures; ++m) {
    double size = 0;
    for (const Measures& sum : sums) size += std::abs(sum[m]);
    least[m] = std::abs(found[m]) - 1e-12 * size;
  }
  constexpr std::int64_t kGroup = 256;
  const std::int64_t groups = (result.permutations + kGroup - 1) / kGroup;
  std::vector<std::array<std::int64_t, kMeasures>> as_far(static_cast<std::size_t>(groups));
  parallel_for(groups, [&](std::int64_t g) {
    auto& counts = as_far[static_cast<std::size_t>(g)];
    for (std::int64_t r = g * kGroup; r < std::min((g + 1) * kGroup, result.permutations); ++r) {
      Rng rng =
          Rng::stream(options.seed, static_cast<std::uint64_t>(r), 1);  // other numbers than a bootstrap's
      const Measures total = result.exact ? signed_sums(sums, [&] { return static_cast<std::uint64_t>(r); })
                                          : signed_sums(sums, [&] { return rng.next(); });
      for (std::size_t m = 0; m < kMeasures; ++m) counts[m] += std::abs(total[m]) >= least[m] ? 1 : 0;
    }
  });
  for (std::size_t m = 0; m < kMeasures; ++m) {
    std::int64_t count = 0;
    for (const auto& counts : as_far) count += counts[m];
    const std::int64_t found_itself = result.exact ? 0 : 1;
    result.p[m] =
        static_cast<double>(count + found_itself) / static_cast<double>(result.permutations + found_itself);
  }
  return result;
}

}  // namespace edgeclip
