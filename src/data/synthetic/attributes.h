#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/rng.h"
#include "data/synthetic/pedestrian.h"

/// The attribute space of drawn pedestrians: which values exist, which go together, and how often.
namespace edgeclip::synthetic {

/// A named colour: ranges of hue (degrees, may pass 360), saturation and value (0..1) that people call by
/// this name.
struct NamedColour {
  const char* name;
  double hue_low, hue_high, saturation_low, saturation_high, value_low, value_high;
};

/// Throws InternalError for a name that is not in the table.
const NamedColour& colour_named(const std::string& name);

/// What every caption names: gender, upper garment with colour and pattern, lower garment with colour.
/// Descriptions are numbered 0 .. description_count() - 1, all combinations that the tables allow.
std::int64_t description_count();

/// The description's attributes; those that captions may leave out stay empty.
Attributes description(std::int64_t number);

/// The number of the description of person i of a seed: a bijection of [0, description_count()), keyed by the
/// seed.
std::int64_t description_number(std::uint64_t seed, std::int64_t i);

/// True for the quarter of all descriptions, whatever the seed, that only split "test" may use.
bool reserved_for_test(std::int64_t description_number);

/// The attributes of person i of a seed.
Attributes draw_attributes(std::uint64_t seed, std::int64_t i);

/// Looks of the garment that the drawing asks for.
inline bool is_outerwear(const std::string& upper) {
  return upper == "jacket" || upper == "hooded jacket" || upper == "puffer jacket" ||
         upper == "leather jacket" || upper == "long coat";
}
inline bool has_hood(const std::string& upper) { return upper == "hoodie" || upper == "hooded jacket"; }

}  // namespace edgeclip::synthetic
