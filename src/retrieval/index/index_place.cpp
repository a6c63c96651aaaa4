#include "retrieval/index/index_place.h"

#include <algorithm>

#include "base/artifact.h"
#include "base/atomic_directory.h"
#include "base/atomic_file.h"
#include "base/csv.h"
#include "base/file.h"
#include "retrieval/gallery/snapshot.h"
#include "retrieval/index/earlier.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

constexpr const char* kFailedFile = "failed.csv";

/// Whether the gallery is what an earlier run of this very command made, which did not come to its end: it was interrupted, or could not
/// replace the other one.
bool is_own(const fs::path& place, const Encoder& encoder, const ImageSource& source, const IndexOptions& options) {
  try {
    if (!is_artifact_head(place / kGalleryFile) || gallery_format(place) == 1) return false;
    const GallerySnapshot there = open_gallery(place);
    const GalleryManifest& manifest = there.manifest();
    const std::string list = list_hash(source);
    const bool same_precision = std::all_of(there.segments().begin(), there.segments().end(), [&](const Segment& segment) {
      return segment.entry.precision == encoder.precision();
    });
    return manifest.embedding_space == encoder.embedding_space() && same_precision && manifest.sources.size() == 1 &&
           manifest.sources[0].list == list && find_source(manifest, source, list, options) == 0;
  } catch (const InvalidInput&) {
    return false;
  }
}

}  // namespace

fs::path index_place(const Encoder& encoder, const ImageSource& source, const fs::path& out, const IndexOptions& options) {
  if (!options.overwrite || !is_artifact_head(out / kGalleryFile)) return out;
  if (is_own(out, encoder, source, options) && !open_gallery(out).manifest().complete()) return out;
  require_replaceable(out, kGalleryFile, FolderRules{true, {source.image_root}});
  const fs::path partial = partial_of(output_place(out));
  const OutputClaim claim(partial);  // no other process is making one there
  if (fs::exists(partial) && !is_own(partial, encoder, source, options)) fs::remove_all(partial);
  return partial;
}

void write_failed(const fs::path& gallery, const std::string& source, const IndexReport& report) {
  const std::vector<std::string> header = {"source", "path", "reason"};
  const fs::path file = gallery / kFailedFile;
  std::vector<std::vector<std::string>> rows;
  if (fs::exists(file))
    for (auto& row : read_csv_table(file, header))
      if (row[0] != source) rows.push_back(std::move(row));
  for (const auto& [path, reason] : report.failed) rows.push_back({source, path, reason});
  if (rows.empty()) {
    std::error_code error;
    fs::remove(file, error);
    return;
  }
  AtomicFile out(file);
  out.write(csv_row(header));
  for (const auto& row : rows) out.write(csv_row(row));
  out.commit();
}

}  // namespace edgeclip
