#include "architecture/arrow_check.h"

#include <algorithm>
#include <fstream>
#include <regex>
#include <sstream>
#include <stdexcept>

namespace edgeclip::test {

namespace fs = std::filesystem;

bool Arrows::allows(const std::string& from, const std::string& to) const {
  if (from == to) return true;
  const auto it = direct.find(from);
  if (it == direct.end()) return false;
  return std::any_of(it->second.begin(), it->second.end(),
                     [&](const std::string& next) { return allows(next, to); });
}

Arrows read_arrows(const fs::path& markdown) {
  std::ifstream in(markdown);
  Arrows arrows;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line == "```arrows") {
      inside = true;
    } else if (inside && line == "```") {
      return arrows;
    } else if (inside) {
      const auto colon = line.find(':');
      const std::string folder = line.substr(0, colon);
      arrows.direct[folder];
      std::istringstream words(line.substr(colon + 1));
      for (std::string word; words >> word;) {
        if (word == "[T]")
          arrows.torch.insert(folder);
        else
          arrows.direct[folder].insert(word);
      }
    }
  }
  throw std::runtime_error("no arrows block in " + markdown.string());
}

namespace {

/// "model/config/x.h" -> model_config, "model/torch_file/x.h" -> torch_file, "cli/runtime/x.h" ->
/// cli_runtime, "data/image/x.h" -> data; "" for what lies in no folder.
std::string folder_of(const std::string& path) {
  const auto slash = path.find('/');
  if (slash == std::string::npos) return "";
  const std::string first = path.substr(0, slash);
  if (path.rfind("model/config/", 0) == 0) return "model_config";
  if (path.rfind("model/torch_file/", 0) == 0) return "torch_file";
  if (first == "cli") {
    const auto second = path.find('/', slash + 1);
    return second == std::string::npos ? "" : "cli_" + path.substr(slash + 1, second - slash - 1);
  }
  return first;
}

}  // namespace

std::vector<std::string> check_includes(const fs::path& src, const Arrows& arrows) {
  static const std::regex include(R"re(^\s*#\s*include\s*(["<])([^">]+)[">])re");
  std::vector<std::string> violations;
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(src))
    if (entry.path().extension() == ".h" || entry.path().extension() == ".cpp") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    const std::string relative = fs::relative(file, src).generic_string();
    const std::string from = folder_of(relative);
    if (from.empty()) continue;  // the programs' main files may use everything
    const bool module = relative.rfind("data/media_module/", 0) == 0;
    if (!arrows.knows(from)) {
      violations.push_back(relative + ": its folder is not on the map");
      continue;
    }
    std::ifstream in(file);
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      std::smatch match;
      if (!std::regex_search(line, match, include)) continue;
      const std::string path = match[2];
      // Ours from the root of src, whatever the brackets; a path with dots is one from the file's own folder.
      std::string to = folder_of(path);
      if (path.find("./") != std::string::npos || !fs::exists(src / path))
        if (const fs::path beside = (fs::path(relative).parent_path() / path).lexically_normal();
            fs::exists(src / beside))
          to = folder_of(beside.generic_string());
      const std::string where = relative + ":" + std::to_string(number) + ": ";
      if (arrows.knows(to) && !arrows.allows(from, to))
        violations.push_back(where + from + " may not include " + to);
      if (std::regex_search(path, std::regex("^(torch|ATen|c10)/")) && !arrows.torch.count(from))
        violations.push_back(where + from + " may not include LibTorch (" + path + ")");
      if (!module && std::regex_search(path, std::regex("^opencv2/(imgcodecs|videoio|opencv)")))
        violations.push_back(where + "only data/media_module may use OpenCV's imgcodecs and videoio (" +
                             path + ")");
    }
  }
  return violations;
}

std::vector<std::string> check_links(const fs::path& link_graph, const Arrows& arrows) {
  std::ifstream in(link_graph);
  if (!in) throw std::runtime_error("no " + link_graph.string());
  std::vector<std::string> violations;
  for (std::string line; std::getline(in, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string from = line.substr(0, colon);
    if (!arrows.knows(from)) violations.push_back(from + " is not on the map");
    std::istringstream libraries(line.substr(colon + 1));
    for (std::string library; libraries >> library;) {
      const bool ours = library.rfind("edgeclip_", 0) == 0;
      const std::string to = ours ? library.substr(9) : "";
      if (ours && arrows.knows(to) && !arrows.allows(from, to))
        violations.push_back(from + " may not link " + to);
      const bool torch = library == "edgeclip_torch" || library.find("torch") != std::string::npos ||
                         library.find("libc10") != std::string::npos;
      if (torch && !arrows.torch.count(from))
        violations.push_back(from + " may not link LibTorch (" + library + ")");
      if (library.find("opencv::imgcodecs") != std::string::npos ||
          library.find("opencv::videoio") != std::string::npos)
        violations.push_back(from + " may not link " + library);
    }
  }
  return violations;
}

}  // namespace edgeclip::test
