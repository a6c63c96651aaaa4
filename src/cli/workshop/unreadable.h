#pragma once

#include <string>

#include "base/json.h"
#include "data/dataset/loader.h"

namespace edgeclip {

/// Throws CheckNotMetWithReport (exit 3), with `report`, if a training could not read more images of `data` than
/// loading.max_unreadable allows.  training: what train() reported; where: what stands before the name of the option; out: what was
/// written all the same.
void require_readable(const Json& training, const LoadingOptions& loading, const std::string& where, const std::string& data,
                      const std::string& out, const Json& report);

}  // namespace edgeclip
