#pragma once

#include <string>

namespace edgeclip {

/// The keys of what a validate() puts in front of its messages, without the source, for a remedy that names
/// another key of the same options: "FILE: a.b." gives "a.b.", "--set " gives "".
inline std::string key_path(const std::string& where) { return where.substr(where.rfind(' ') + 1); }

}  // namespace edgeclip
