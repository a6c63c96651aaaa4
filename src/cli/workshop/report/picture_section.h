#pragma once

#include <filesystem>
#include <string>

namespace edgeclip::report {

/// A picture under the title that it carries (a grid of search its query), else under its name; the
/// description that it carries is the caption.  Throws InvalidInput if it is neither PNG nor JPEG.
std::string picture_section(const std::filesystem::path& path);

}  // namespace edgeclip::report
