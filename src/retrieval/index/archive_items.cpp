#include "retrieval/index/archive_items.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/signals.h"
#include "base/utf8.h"
#include "data/image/media.h"

namespace edgeclip {

std::optional<ArchiveItems::Wanted> ArchiveItems::next(const std::function<bool(std::int64_t, const GalleryItem&)>& wants) {
  if (!reader_) reader_ = std::make_unique<ArchiveReader>(source_.image_root);
  try {
    for (ArchiveReader::Member member; !interrupted() && reader_->next(&member);) {
      if (!is_image_name(member.name)) continue;
      const std::int64_t index = index_++;
      if (index % shard_.count != shard_.index - 1) continue;
      if (find_invalid_utf8(member.name) != std::string::npos || !stays_below_root(member.name)) {
        spdlog::warn("{}: a member is left out: its name leads out of the archive, or is not UTF-8", source_.image_root.string());
        continue;
      }
      GalleryItem item{member.name};
      item.file_bytes = member.bytes;
      item.file_time = member.time_ns;
      if (source_.describe) source_.describe(item);
      if (wants(index, item)) return Wanted{index, std::move(item), reader_->read()};
    }
  } catch (const InvalidInput& error) {
    if (index_ == 0) throw;
    spdlog::warn("{}; the gallery is marked as incomplete", error.what());
    cut_off_ = true;
  }
  if (index_ == 0 && !interrupted()) invalid_input("{}: holds no images (.jpg, .png, ...)", source_.image_root.string());
  return std::nullopt;
}

std::string read_member(std::unique_ptr<ArchiveReader>& reader, const std::filesystem::path& archive, const std::string& name) {
  for (const bool again : {false, true}) {
    if (!reader || again) reader = std::make_unique<ArchiveReader>(archive);
    for (ArchiveReader::Member member; reader->next(&member);)
      if (member.name == name) return reader->read();
  }
  invalid_input("{}: has no member {}; the archive is not the one that was indexed", archive.string(), name);
}

}  // namespace edgeclip
