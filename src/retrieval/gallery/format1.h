#pragma once

#include <filesystem>

#include "retrieval/gallery/snapshot.h"

namespace edgeclip {

/// A gallery of format 1: embeddings.npy, items.csv and gallery.json (docs/formats.md), which cannot grow.  Its items are read whole, its
/// rows are mapped.  Throws InvalidInput naming what is wrong.
GallerySnapshot open_format1(const std::filesystem::path& directory, FileCheck check);

/// Makes a gallery of the newest format of it, in its place, in one step; its items' numbers are their rows.  Throws InvalidInput if it
/// is no gallery of format 1.
void upgrade_format1(const std::filesystem::path& directory);

}  // namespace edgeclip
