#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace edgeclip {

/// A FILE of texts: one per line, or a JSON list of strings (recognized by its first "[").  Blank lines at
/// the end are dropped.  Throws InvalidInput (file, line) for an empty text, for text that is not UTF-8, or
/// if nothing is there.
std::vector<std::string> read_texts(const std::filesystem::path& path);

}  // namespace edgeclip
