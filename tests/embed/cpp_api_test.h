#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace edgeclip::test {

/// What the wrappers find: "PATH PATH HITS" by file, by embedding, by text.
std::string first_hit(const std::string& plan, const std::string& gallery, const std::string& image);
/// The image tower's output, or nothing if its wrapper contradicts itself.
std::vector<float> run_image(const std::string& plan, const std::vector<float>& pixels,
                             const std::vector<std::int64_t>& dims);
/// What they throw.
std::string error_of(const std::string& plan);

}  // namespace edgeclip::test
