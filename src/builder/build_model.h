#pragma once

#include "base/json.h"
#include "builder/build_plan.h"

namespace edgeclip::builder {

/// Name of the one graph in a plan of an ONNX file.
inline constexpr const char* kModelGraph = "model";

/// build_plan() of an ONNX file: a plan of one graph and the shapes that it was built for.
Json build_model(const BuildOptions& options);

}  // namespace edgeclip::builder
