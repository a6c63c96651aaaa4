#pragma once

#include <filesystem>
#include <optional>

#include "retrieval/gallery.h"
#include "retrieval/image_source.h"

namespace edgeclip {

/// What an earlier run of the same indexing left at its output.
struct EarlierIndex {
  std::optional<Gallery> gallery;  ///< none: nothing is there
  bool finished = false;  ///< it holds everything that can be read of the source; nothing has changed
};

/// Looks at the gallery at `out`, if there is one.  It is this command's own if the same model made it of the
/// same source (root, kind, shard, step of frames), and no image has gone or changed since (by the time of
/// its file); a complete one must not lack any either.  Throws InvalidInput naming --overwrite if it is
/// another's. source_json: as in Gallery::source.
EarlierIndex earlier_index(const Encoder& encoder, const ImageSource& source, const Shard& shard,
                           const Json& source_json, const std::filesystem::path& out);

}  // namespace edgeclip
