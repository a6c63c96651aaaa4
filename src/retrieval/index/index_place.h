#pragma once

#include <filesystem>
#include <string>

#include "retrieval/encoder.h"
#include "retrieval/index/image_source.h"
#include "retrieval/index/indexing.h"

namespace edgeclip {

/// Where a run writes: `out`, or with options.overwrite a place beside the gallery that is to be replaced (partial_of()), where what an earlier
/// run of this very command had finished is left, and what another one left is removed.  Throws InvalidInput if `out` must not be replaced,
/// or another process is making one there.
std::filesystem::path index_place(const Encoder& encoder, const ImageSource& source, const std::filesystem::path& out,
                                  const IndexOptions& options);

/// failed.csv of a gallery has what could not be read of all its sources (source,path,reason); this one's rows are written anew.
void write_failed(const std::filesystem::path& gallery, const std::string& source, const IndexReport& report);

}  // namespace edgeclip
