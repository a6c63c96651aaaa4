#include "model/lora/name_match.h"

#include <unicode/regex.h>

#include <algorithm>

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

NameList::NameList(const std::vector<std::string>& entries, const std::string& where) {
  for (const auto& entry : entries)
    if (entry.rfind("re:", 0) == 0)
      expressions_.emplace_back(entry.substr(3), where);
    else
      ends_.push_back(entry);
}

bool NameList::fits(const std::string& name) const {
  return std::any_of(ends_.begin(), ends_.end(),
                     [&](const auto& end) { return ends_with_name(name, end); }) ||
         std::any_of(expressions_.begin(), expressions_.end(),
                     [&](const auto& expression) { return expression.fits(name); });
}

}  // namespace edgeclip
