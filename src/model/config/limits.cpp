#include "model/config/limits.h"

#include <cmath>

#include "base/error.h"

namespace edgeclip {

void require_size(int value, int most, const char* key, const std::string& where) {
  if (value <= 0) invalid_input("{}{}: must be positive, is {}", where, key, value);
  if (value > most) invalid_input("{}{}: must be at most {}, is {}", where, key, most, value);
}

void require_dropout(double value, const char* key, const std::string& where) {
  if (!(value >= 0 && value < 1)) invalid_input("{}{}: must be in [0, 1), is {}", where, key, value);
}

void require_epsilon(double value, const std::string& where) {
  if (!(value > 0 && std::isfinite(value)))
    invalid_input("{}layer_norm_eps: must be positive, is {}", where, value);
}

}  // namespace edgeclip
