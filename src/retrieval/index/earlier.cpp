#include "retrieval/index/earlier.h"

#include <sys/stat.h>

#include "base/file.h"

namespace edgeclip {

namespace fs = std::filesystem;

void note_file(const fs::path& file, GalleryItem& item) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) return;
  item.file_bytes = info.st_size;
  item.file_time = static_cast<std::int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec;
}

std::string EarlierIndex::key_of(const fs::path& root, const GalleryItem& item) {
  std::string key = (root / item.path).lexically_normal().string();
  if (item.in_video) key += fmt::format("\n{}", item.frame);
  if (!item.box.whole()) key += fmt::format("\n{} {} {} {}", item.box.x, item.box.y, item.box.width, item.box.height);
  return key;
}

std::optional<std::int32_t> find_source(const GalleryManifest& manifest, const ImageSource& source, const std::string& list,
                                        const IndexOptions& options) {
  const fs::path root = output_place(source.image_root);  // a folder has many names, and one place
  std::optional<std::int32_t> found;
  for (std::size_t s = 0; s < manifest.sources.size(); ++s) {
    const GallerySource& other = manifest.sources[s];
    if (other.kind != source.kind || other.shard != options.shard || output_place(other.image_root) != root) continue;
    const bool same = source.kind == "video"
                          ? other.frame_step == options.frame_step && fs::path(other.path).filename() == source.video.filename()
                          : other.list == list || output_place(other.path) == output_place(source.description);
    if (same) found = static_cast<std::int32_t>(s);
  }
  return found;
}

EarlierIndex::EarlierIndex(const GallerySnapshot& gallery, const ImageSource& source, const std::string& list, const IndexOptions& options)
    : root_(output_place(source.image_root)), source_(find_source(gallery.manifest(), source, list, options)), gallery_(gallery) {
  std::vector<fs::path> roots;
  for (const GallerySource& other : gallery.manifest().sources) roots.push_back(output_place(other.image_root));
  gallery.each([&](std::int64_t place) {
    place_of_.insert_or_assign(key_of(roots[static_cast<std::size_t>(gallery.source_number(place))], gallery.item(place)), place);
  });
}

std::optional<EarlierIndex::Known> EarlierIndex::find(const GalleryItem& item) const {
  const auto at = place_of_.find(key_of(root_, item));
  if (at == place_of_.end()) return std::nullopt;
  const GalleryItem then = gallery_.item(at->second);
  const bool same_file = then.file_bytes < 0 || item.file_bytes < 0 ||  // not known: of a gallery that was upgraded
                         (then.file_bytes == item.file_bytes && then.file_time == item.file_time);
  const bool same_item = then.id == item.id && then.frame == item.frame && then.caption == item.caption && then.camera == item.camera &&
                         then.time == item.time && then.track == item.track;
  return Known{gallery_.number(at->second), same_file && same_item};
}

}  // namespace edgeclip
