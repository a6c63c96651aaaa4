#include "kernels/scan/query_codes.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace edgeclip::kernels {

QueryCodes quantize_query(const float* query, std::int64_t dim, std::int32_t most, std::int16_t* codes) {
  QueryCodes result;
  float largest = 0;
  bool numbers = true;
  for (std::int64_t d = 0; d < dim; ++d) {
    largest = std::max(largest, std::abs(query[d]));
    numbers = numbers && std::isfinite(query[d]);
  }
  std::fill(codes, codes + dim, std::int16_t{0});
  if (numbers && largest == 0) return result;
  // Within these, 2^23 (the largest |r|) times a number is no infinity, and what underflows is lost in the slack.
  constexpr float kLargest = 1e30F, kSmallest = 1e-30F;
  if (!numbers || largest > kLargest || largest < kSmallest || dim > kLongestCoded) {
    result.slack = std::numeric_limits<float>::infinity();
    return result;
  }
  result.step = largest / static_cast<float>(most);
  double residual = 0;
  for (std::int64_t d = 0; d < dim; ++d) {
    const double exact = static_cast<double>(query[d]), step = static_cast<double>(result.step);
    const long code = std::clamp<long>(std::lrint(exact / step), -most, most);
    codes[d] = static_cast<std::int16_t>(code);
    residual = std::max(residual, std::abs(exact - step * static_cast<double>(code)));
  }
  // |S - Σ r q| is at most m u (1 + m u) max|q| |r| with one rounding for each of the m additions of an element's way into
  // S (Higham, Accuracy and Stability of Numerical Algorithms, 3.1) and u = 2^-24; m u < 2^-11 here.  The right
  // side itself rounds some five times what is at most (max|q| + residual + slack) |r|.  Twice all of that.
  constexpr double kUnit = 0x1p-24;
  const double additions = static_cast<double>((dim + 15) / 16 + 4);
  const double slack = residual + 2 * (additions + 8) * kUnit * (static_cast<double>(largest) + residual);
  result.slack = static_cast<float>(slack * (1 + 0x1p-16));
  return result;
}

}  // namespace edgeclip::kernels
