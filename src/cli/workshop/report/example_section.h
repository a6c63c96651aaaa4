#pragma once

#include <string>

#include "base/json.h"

namespace edgeclip::report {

/// Captions with the images that were found for them, best first, in a frame that says right or wrong (by its
/// colour, by its line and in words).  examples: as retrieval/example_retrievals.h writes them.  Images are
/// embedded, shrunk where they are large; one that cannot be read leaves an empty frame.  Throws InvalidInput
/// naming `where` if examples is no such list.
std::string example_pictures(const Json& examples, const std::string& where);

}  // namespace edgeclip::report
