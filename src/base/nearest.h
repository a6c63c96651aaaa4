#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace edgeclip {

/// The candidate with the smallest edit distance to word (Damerau: a swap of neighbours counts once), or ""
/// if none is closer than half of the word's length.
std::string nearest_name(std::string_view word, const std::vector<std::string>& candidates);

/// `; did you mean "rank"?` or, without a near one, `; known: a, b, c`.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace edgeclip
