#pragma once

#include <map>
#include <string>

namespace edgeclip::engine {

/// The operators of ONNX that the engine leaves out for good, each with the reason as a half-sentence ("the
/// shape of its output depends on data").
const std::map<std::string, const char*>& left_out_operators();

/// The reason for one; "" for one that the engine only does not have.
std::string why_left_out(const std::string& op);

}  // namespace edgeclip::engine
