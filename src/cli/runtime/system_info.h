#pragma once

#include "base/json.h"

namespace edgeclip {

/// {"cpu","features","cpus","threads","memory_mb","blas","blas_is_reference","libraries":{name: version}}:
/// what decides about speed on this machine.
Json system_info();

}  // namespace edgeclip
