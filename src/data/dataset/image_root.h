#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

/// Where the images lie that an artifact (a prepared dataset, a gallery) names by paths below one root.
namespace edgeclip {

struct NamedImages {
  std::filesystem::path artifact;  ///< absolute folder of the dataset or gallery
  std::filesystem::path stored;    ///< absolute root that it stores
  std::int64_t count = 0;
  std::function<std::string(std::int64_t)> path;  ///< of image i of count, relative to the root
};

/// The root under which the images are found.  given (--image-root) is the only one that counts unless it is
/// empty; else it is the stored one, else, with a warning that names it, a folder of the artifact's
/// neighbourhood: the artifact itself, the one beside it named like the stored root, or the one that holds
/// it.  Files are looked for, never opened: at most 32, evenly spread; given and stored need one of them, the
/// neighbourhood all, and in one folder alone.  Throws InvalidInput that says what was tried and names
/// --image-root.
std::filesystem::path find_image_root(const NamedImages& images, const std::string& given);

}  // namespace edgeclip
