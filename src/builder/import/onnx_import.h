#pragma once

#include <filesystem>

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// Reads an ONNX file (external data too, only from below its folder).  Throws InvalidInput naming file,
/// node, operator and opset for anything the engine does not have, and for malformed files; never crashes on
/// them.
engine::Graph import_onnx(const std::filesystem::path& path);

}  // namespace edgeclip::builder
