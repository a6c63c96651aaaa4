#pragma once

#include <string>

/// What sizes and rates of a model may be.  Each throws InvalidInput naming where + key.
namespace edgeclip {

/// Far above every model there is: what is larger is a slip, and would ask for the machine's memory.
inline constexpr int kMostLayers = 1000, kMostWidth = 1 << 16, kMostVocabulary = 1 << 22,
                     kMostPixels = 1 << 14;

void require_size(int value, int most, const char* key, const std::string& where);
/// In [0, 1).
void require_dropout(double value, const char* key, const std::string& where);
void require_epsilon(double value, const std::string& where);

}  // namespace edgeclip
