#pragma once

#include <string>

namespace edgeclip::engine {

/// Why the engine leaves an operator of ONNX out for good, as a half-sentence ("the shape of its output
/// depends on data"); "" for one it only does not have.
std::string why_left_out(const std::string& op);

}  // namespace edgeclip::engine
