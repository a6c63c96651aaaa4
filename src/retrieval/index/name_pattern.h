#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "retrieval/gallery/item.h"

namespace edgeclip {

/// What file names say of their images.  A pattern is a name with `{person}`, `{frame}`, `{track}` (numbers), `{camera}` (any text) and
/// `{time:FORMAT}` (strptime()'s %Y %y %m %d %H %M %S, %j for the day of the year, %s for seconds since 1970) in it; `*` stands for
/// anything without a slash.  It is compared with the path without its ending: with its last part, or with as many more of its last parts
/// as the pattern has slashes.  "{person}_c{camera}s*_{frame}_*" reads Market-1501's names.
class NamePattern {
 public:
  /// zone: seconds that the cameras' clocks are ahead of UTC.  Throws InvalidInput naming what is wrong with the pattern.
  NamePattern(const std::string& pattern, std::int64_t zone);
  ~NamePattern();
  NamePattern(NamePattern&&) noexcept;

  /// Into the item, what its path says; false, and nothing changed, if it is of another form.
  bool read(GalleryItem& item) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace edgeclip
