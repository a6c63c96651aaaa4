#pragma once

#include <string>
#include <vector>

namespace edgeclip {

/// How a tensor of another library becomes one (or three) of ours.
enum class Change {
  kNone,
  kTranspose,  ///< (in, out) to (out, in)
  kSplitQkv,   ///< fused rows q, k, v: (3 W, ...) to three of (W, ...); "*" of the target is q, k, v in turn
  kIgnore,     ///< left out on purpose: a buffer that follows from the architecture, a head of another task
};

/// One row of a table of names.  "#" in both patterns stands for the same number, "@" at the end of both for
/// the same rest.
struct NameRule {
  const char* from;
  const char* to;
  Change change = Change::kNone;
};

/// The first rule that fits name, with numbers and rest filled into its target; null if none fits.
struct RuleMatch {
  const NameRule* rule = nullptr;
  std::string target;
};
RuleMatch match_rule(const std::vector<NameRule>& rules, const std::string& name);

}  // namespace edgeclip
