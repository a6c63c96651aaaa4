#pragma once

/// What was built, for `--version` and for every report and artifact.
namespace edgeclip {
const char* version();            ///< "0.1.0"
const char* revision();           ///< git describe at configure time, "unknown" outside a checkout
const char* build_description();  ///< build type and compiler
}  // namespace edgeclip
