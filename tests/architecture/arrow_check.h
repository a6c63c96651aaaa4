#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace edgeclip::test {

/// The map of docs/architecture.md: which folder may use which, and which may use LibTorch.
struct Arrows {
  std::map<std::string, std::set<std::string>> direct;
  std::set<std::string> torch;

  bool knows(const std::string& folder) const { return direct.count(folder) != 0; }
  /// to is from itself or can be reached along the arrows.
  bool allows(const std::string& from, const std::string& to) const;
};

/// Reads the ```arrows block.
Arrows read_arrows(const std::filesystem::path& markdown);

/// Violations of the map in the #includes below src, one line each: "FILE:LINE: ...".
std::vector<std::string> check_includes(const std::filesystem::path& src, const Arrows& arrows);

/// Violations in a link graph of lines "folder: library, library".
std::vector<std::string> check_links(const std::filesystem::path& link_graph, const Arrows& arrows);

}  // namespace edgeclip::test
