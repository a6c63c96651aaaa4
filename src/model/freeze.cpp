#include "model/freeze.h"

#include <cctype>

#include "base/error.h"

namespace edgeclip {

namespace {

/// "3-11" -> {3, 11}
bool is_range(const std::string& part, std::int64_t& first, std::int64_t& last) {
  const auto dash = part.find('-');
  if (dash == std::string::npos || dash == 0 || dash + 1 == part.size() || part.size() > 12) return false;
  for (std::size_t i = 0; i < part.size(); ++i)
    if (i != dash && !std::isdigit(static_cast<unsigned char>(part[i]))) return false;
  first = std::stoll(part.substr(0, dash));
  last = std::stoll(part.substr(dash + 1));
  return true;
}

/// "*" in pattern stands for any characters.
bool fits_wildcards(const char* pattern, const char* text) {
  if (*pattern == '*')
    return fits_wildcards(pattern + 1, text) || (*text && fits_wildcards(pattern, text + 1));
  if (*pattern == '\0') return *text == '\0';
  return *pattern == *text && fits_wildcards(pattern + 1, text + 1);
}

std::vector<std::string> expand_ranges(const std::string& pattern) {
  for (std::size_t begin = 0; begin < pattern.size();) {
    const auto end = std::min(pattern.find('.', begin), pattern.size());
    std::int64_t first = 0, last = 0;
    if (is_range(pattern.substr(begin, end - begin), first, last) && first <= last && last - first < 1000) {
      std::vector<std::string> all;
      for (auto i = first; i <= last; ++i)
        for (auto& rest : expand_ranges(pattern.substr(end)))
          all.push_back(pattern.substr(0, begin) + std::to_string(i) + rest);
      return all;
    }
    begin = end + 1;
  }
  return {pattern};
}

}  // namespace

std::int64_t freeze_parameters(torch::nn::Module& model, const std::vector<std::string>& patterns,
                               const std::string& where) {
  std::int64_t frozen = 0;
  auto parameters = model.named_parameters();
  for (const auto& pattern : patterns) {
    bool found = false;
    for (const auto& one : expand_ranges(pattern))
      for (auto& item : parameters) {
        if (!fits_wildcards(one.c_str(), item.key().c_str()) &&
            !fits_wildcards((one + ".*").c_str(), item.key().c_str()))
          continue;
        found = true;
        if (item.value().requires_grad()) frozen += item.value().numel();
        item.value().requires_grad_(false);
      }
    if (!found)
      invalid_input("{}: \"{}\" fits no parameter; {} is one", where, pattern, parameters.begin()->key());
  }
  return frozen;
}

}  // namespace edgeclip
