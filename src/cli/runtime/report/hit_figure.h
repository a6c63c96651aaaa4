#pragma once

#include <optional>
#include <string>

namespace edgeclip::report {

/// A picture that was found, in a frame that says right or wrong (by its colour, by its line and in words),
/// embedded, shrunk where it is large.  label: what stands in front of the score in place of these words
/// ("rank 12"; "": the words).  One that cannot be read leaves an empty frame and counts in missing. It
/// belongs into <div class="hits">.
std::string hit_figure(const std::string& path, bool right, std::optional<double> score,
                       const std::string& label, int& missing);

/// What the page says of them; "" if none is missing.
std::string missing_note(int missing);

}  // namespace edgeclip::report
