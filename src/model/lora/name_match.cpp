#include "model/lora/name_match.h"

#include <unicode/regex.h>

#include <algorithm>
#include <cctype>
#include <cstdint>

#include "base/error.h"

namespace edgeclip {

bool ends_with_name(const std::string& name, const std::string& end) {
  if (name.size() <= end.size()) return name == end;
  const auto cut = name.size() - end.size();
  return name[cut - 1] == '.' && name.compare(cut, end.size(), end) == 0;
}

/// Of ICU's matching engine, each some microseconds: a file's expression must not hold the process up.
constexpr std::int32_t kMostSteps = 1000;

struct NameExpression::Impl {
  std::string expression, where;
  std::unique_ptr<icu::RegexPattern> pattern;
};

NameExpression::NameExpression(const std::string& expression, const std::string& where)
    : impl_(std::make_unique<Impl>()) {
  impl_->expression = expression;
  impl_->where = where;
  UErrorCode status = U_ZERO_ERROR;
  UParseError place{};
  impl_->pattern.reset(
      icu::RegexPattern::compile(icu::UnicodeString::fromUTF8(expression), 0, place, status));
  if (U_FAILURE(status))
    invalid_input("{}: \"{}\" is no regular expression ({} at character {})", where, expression,
                  u_errorName(status), place.offset);
}

NameExpression::~NameExpression() = default;
NameExpression::NameExpression(NameExpression&&) noexcept = default;

bool NameExpression::fits(const std::string& name) const {
  UErrorCode status = U_ZERO_ERROR;
  const icu::UnicodeString text = icu::UnicodeString::fromUTF8(name);
  const std::unique_ptr<icu::RegexMatcher> matcher(impl_->pattern->matcher(text, status));
  if (U_SUCCESS(status)) matcher->setTimeLimit(kMostSteps, status);
  const bool fits = U_SUCCESS(status) && matcher->matches(status);
  if (U_FAILURE(status))
    invalid_input("{}: \"{}\" takes too long to try on {}; write it without nested repetitions", impl_->where,
                  impl_->expression, name);
  return fits;
}

namespace {

/// "3-11" -> {3, 11}
bool is_range(const std::string& part, std::int64_t& first, std::int64_t& last) {
  const auto dash = part.find('-');
  if (dash == std::string::npos || dash == 0 || dash + 1 == part.size() || part.size() > 12) return false;
  for (std::size_t i = 0; i < part.size(); ++i)
    if (i != dash && !std::isdigit(static_cast<unsigned char>(part[i]))) return false;
  first = std::stoll(part.substr(0, dash));
  last = std::stoll(part.substr(dash + 1));
  return first <= last && last - first < 1000;
}

/// One part of a dotted name, as a regular expression.
std::string part_expression(const std::string& part) {
  std::int64_t first = 0, last = 0;
  if (is_range(part, first, last)) {
    std::string numbers;
    for (auto i = first; i <= last; ++i) numbers += (i == first ? "" : "|") + std::to_string(i);
    return "(?:" + numbers + ")";
  }
  std::string expression;
  for (const char c : part) {
    if (c == '*') {
      expression += ".*";
      continue;
    }
    if (std::ispunct(static_cast<unsigned char>(c)) && c != '_') expression += '\\';
    expression += c;
  }
  return expression;
}

std::string expression_of(const std::string& pattern, NamePart part) {
  if (pattern.rfind("re:", 0) == 0) return pattern.substr(3);
  std::string name;
  for (std::size_t begin = 0; begin <= pattern.size();) {
    const auto end = std::min(pattern.find('.', begin), pattern.size());
    if (begin > 0) name += "\\.";
    name += part_expression(pattern.substr(begin, end - begin));
    begin = end + 1;
  }
  return part == NamePart::kEnd ? "(?:.*\\.)?" + name : name + "(?:\\..*)?";
}

}  // namespace

NamePattern::NamePattern(const std::string& pattern, NamePart part, const std::string& where)
    : expression_(expression_of(pattern, part), where) {}

NameList::NameList(const std::vector<std::string>& patterns, const std::string& where, NamePart part) {
  for (const auto& pattern : patterns) patterns_.emplace_back(pattern, part, where);
}

bool NameList::fits(const std::string& name) const {
  return std::any_of(patterns_.begin(), patterns_.end(),
                     [&](const NamePattern& pattern) { return pattern.fits(name); });
}

bool is_plain_name(const std::string& pattern) {
  if (pattern.rfind("re:", 0) == 0 || pattern.find('*') != std::string::npos) return false;
  for (std::size_t begin = 0; begin <= pattern.size();) {
    const std::size_t end = std::min(pattern.find('.', begin), pattern.size());
    std::int64_t first = 0, last = 0;
    if (is_range(pattern.substr(begin, end - begin), first, last)) return false;
    begin = end + 1;
  }
  return true;
}

}  // namespace edgeclip
