#include "model/import/name_rules.h"

#include <string_view>

namespace edgeclip {

namespace {

/// Whether name fits the pattern; parts: what "#" and "@" stood for, in order.
bool fits(std::string_view pattern, std::string_view name, std::vector<std::string_view>* parts) {
  parts->clear();
  std::size_t n = 0;
  for (const char c : pattern) {
    if (c == '@') {
      parts->push_back(name.substr(n));
      return true;
    }
    if (c != '#') {
      if (n >= name.size() || name[n] != c) return false;
      ++n;
      continue;
    }
    std::size_t end = n;
    while (end < name.size() && name[end] >= '0' && name[end] <= '9') ++end;
    if (end == n) return false;
    parts->push_back(name.substr(n, end - n));
    n = end;
  }
  return n == name.size();
}

}  // namespace

RuleMatch match_rule(const std::vector<NameRule>& rules, const std::string& name) {
  std::vector<std::string_view> parts;
  for (const auto& rule : rules) {
    if (!fits(rule.from, name, &parts)) continue;
    RuleMatch match;
    match.rule = &rule;
    std::size_t next = 0;
    for (const char* c = rule.to; *c != '\0'; ++c)
      if ((*c == '#' || *c == '@') && next < parts.size())
        match.target += parts[next++];
      else
        match.target += *c;
    return match;
  }
  return {};
}

}  // namespace edgeclip
