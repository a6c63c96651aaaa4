#pragma once

#include <string>
#include <string_view>

namespace edgeclip {

/// Throws InvalidInput if text, JSON of a user, nests deeper than 256: it could be read, but copying it takes
/// a stack frame per level.
void require_shallow_json(std::string_view text, const std::string& name);

}  // namespace edgeclip
