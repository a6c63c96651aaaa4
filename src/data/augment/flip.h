#pragma once

#include <string>
#include <string_view>

#include "base/options.h"

namespace edgeclip {

/// Random horizontal flip.  A mirrored person carries the bag in the other hand, so captions that name a side
/// need a rule.
struct FlipOptions {
  double probability = 0;      ///< of each image, in each epoch
  std::string sides = "swap";  ///< captions that name a side: "swap" | "no_flip" | "ignore"

  template <class Visitor>
  void fields(Visitor& v) {
    v("probability", probability, "of a mirrored image; 0: off");
    v("sides", sides, "where the caption says left or right: swap the words, do not flip, or flip regardless",
      {"swap", "no_flip", "ignore"});
  }
  void validate(const std::string& where) const;
};

/// Whether an English caption names a side: "left" or "right" as a word, with or without "-most", "-ward",
/// "-wards", "-hand", "-handed" or "-side" joined to it, in any case.  Valid UTF-8.  "He left" and "right
/// behind her" count too: words alone do not tell.
bool names_side(std::string_view caption);

/// The caption with every such "left" turned to "right" and back, case kept (Left, LEFT).
std::string swap_sides(std::string_view caption);

}  // namespace edgeclip
