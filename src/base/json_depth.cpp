#include "base/json_depth.h"

#include "base/error.h"

namespace edgeclip {

void require_shallow_json(std::string_view text, const std::string& name) {
  constexpr int kDeepest = 256;
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"')
      quoted = !quoted;
    else if (quoted && c == '\\')
      ++i;
    else if (!quoted && (c == '[' || c == '{') && ++depth > kDeepest)
      invalid_input("{}: its JSON is nested more than {} deep; correct the file", name, kDeepest);
    else if (!quoted && (c == ']' || c == '}'))
      --depth;
  }
}

}  // namespace edgeclip
