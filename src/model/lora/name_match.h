#pragma once

#include <memory>
#include <string>
#include <vector>

/// How modules are named in options: by the ends of their dotted names, by expressions, by wildcards.
namespace edgeclip {

/// name is end, or ends with "." and end.
bool ends_with_name(const std::string& name, const std::string& end);

/// A regular expression (ICU's, which reads what Python's re reads but for rare escapes) of a whole name.
class NameExpression {
 public:
  /// where: start of the message.  Throws InvalidInput if it is none.
  NameExpression(const std::string& expression, const std::string& where);
  ~NameExpression();
  NameExpression(NameExpression&&) noexcept;
  bool fits(const std::string& name) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A list as LoraOptions has them: ends of names, or "re:EXPRESSION" alone.
class NameList {
 public:
  NameList(const std::vector<std::string>& entries, const std::string& where);
  bool fits(const std::string& name) const;

 private:
  std::vector<std::string> ends_;
  std::vector<NameExpression> expressions_;
};

}  // namespace edgeclip
