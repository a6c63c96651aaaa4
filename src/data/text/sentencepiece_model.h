#pragma once

#include <string>
#include <string_view>

namespace edgeclip {

/// Checks what the sentencepiece library (0.1.97) trusts in a .model file: the double-array tries of its
/// normalizers, which it follows out of bounds in a damaged file.  bytes: a serialized ModelProto; whether
/// the rest makes sense is for the library to say.  Throws InvalidInput naming the file.
void require_sound_model(std::string_view bytes, const std::string& name);

}  // namespace edgeclip
