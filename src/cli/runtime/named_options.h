#pragma once

#include "cli/runtime/command.h"

namespace edgeclip {

/// Which options the user named, with their defaults or not, in --config, --set and flags: an object of their
/// nesting, whose values mean nothing.  given: the command's own flags.  A --config that cannot be read twice
/// (a pipe) names nothing here.
Json named_options(const CommonOptions& common, const Json& given);

}  // namespace edgeclip
