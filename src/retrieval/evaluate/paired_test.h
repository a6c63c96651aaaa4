#pragma once

#include <cstdint>

#include "retrieval/evaluate/cluster_sums.h"

namespace edgeclip {

struct PairedTestOptions {
  std::int64_t permutations = 10000;
  std::uint64_t seed = 0;
};

struct PairedTest {
  Measures p{};                   ///< two-sided
  std::int64_t permutations = 0;  ///< looked at; of an exact test all there are
  bool exact = false;
};

/// A paired permutation test by person: if two models were equally good, each person's difference (summed
/// over her queries) could as well have the other sign.  p is the share of all assignments of signs whose
/// mean difference is at least as far from 0 as the one found (Fisher: The Design of Experiments, 1935, sec.
/// 21; Good: Permutation Tests, 2nd ed. 2000, sec. 3.1).  Where there are at most options.permutations
/// assignments, all are looked at; else so many are drawn, and p = (1 + as far) / (1 + drawn), which is never
/// 0 and keeps to its level (Phipson and Smyth: Permutation P-values Should Never Be Zero, 2010).  Sums that
/// differ by rounding alone count as equal.  Draw r is a pure function of (seed, r): threads change nothing.
/// p = 1 without persons.  Each measure is tested by itself: nothing is corrected for there being several.
PairedTest paired_test(const ClusterSums& differences, const PairedTestOptions& options);

}  // namespace edgeclip
