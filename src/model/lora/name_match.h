#pragma once

#include <memory>
#include <string>
#include <vector>

/// How modules and parameters are named in options: one language for freezing, for groups of parameters and
/// for the modules of an adapter.
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

/// Whether a pattern is a name and nothing else: no "*", no numbers like "0-8", no "re:".
bool is_plain_name(const std::string& pattern);

/// What of a name a pattern stands for.
enum class NamePart {
  kEnd,    ///< the name, or what follows one of its dots ("q_proj": PEFT's rule)
  kBefore  ///< the name, or what comes before one of its dots (a module, with all that lies below it)
};

/// A dotted name, in which "*" stands for any characters and a part like "0-8" for these numbers; or
/// "re:EXPRESSION", a regular expression of the whole name:
///   "q_proj"   "text_model.encoder.layers.0-8"   "*.bias"   "re:.*layers\.[01]\..*"
class NamePattern {
 public:
  /// where: start of messages.  Throws InvalidInput.
  NamePattern(const std::string& pattern, NamePart part, const std::string& where);
  bool fits(const std::string& name) const { return expression_.fits(name); }

 private:
  NameExpression expression_;
};

/// Patterns of which one is to fit.
class NameList {
 public:
  NameList(const std::vector<std::string>& patterns, const std::string& where,
           NamePart part = NamePart::kEnd);
  bool fits(const std::string& name) const;

 private:
  std::vector<NamePattern> patterns_;
};

}  // namespace edgeclip
