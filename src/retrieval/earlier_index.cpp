#include "retrieval/earlier_index.h"

#include <map>
#include <string>

#include "base/artifact.h"
#include "base/error.h"
#include "base/file.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

/// Why the gallery is not this command's own output, or "".
std::string difference(const Gallery& gallery, const Encoder& encoder, const ImageSource& source,
                       const Json& source_json) {
  if (gallery.model_hash != encoder.model_hash())
    return fmt::format("made with another model ({})", gallery.model_name);
  for (const char* key : {"kind", "shard", "frame_step"})
    if (gallery.source.value(key, Json()) != source_json.value(key, Json()))
      return fmt::format("of another {} ({})", key, gallery.source.value(key, Json()).dump());
  const fs::path given = gallery.source.value("path", std::string());
  const bool other_video = source.kind == "video" && given.filename() != source.video.filename();
  // A folder has many names, and one place.
  if (output_place(gallery.image_root) != output_place(source.image_root) || other_video)
    return fmt::format("of other images ({})", given.string());
  return "";
}

}  // namespace

EarlierIndex earlier_index(const Encoder& encoder, const ImageSource& source, const Shard& shard,
                           const Json& source_json, const fs::path& out) {
  EarlierIndex earlier;
  if (!is_artifact_head(out / kGalleryFile)) return earlier;
  Gallery gallery = open_gallery(out);
  const auto refuse = [&](const std::string& why) {
    invalid_input("{}: holds a gallery of {} images {}; replace it with --overwrite, or choose another --out",
                  out.string(), gallery.size(), why);
  };
  if (const std::string why = difference(gallery, encoder, source, source_json); !why.empty()) refuse(why);

  const fs::file_time_type made = fs::last_write_time(out / kGalleryFile);
  const auto changed = [&](const fs::path& file) {
    std::error_code error;
    const auto time = fs::last_write_time(file, error);
    return !error && time > made;
  };
  if (source.kind == "video") {
    if (changed(source.video)) refuse("of a video that has changed since");
    earlier.finished = gallery.complete;
  } else {
    std::map<std::string, const GalleryItem*> wanted;
    const auto total = static_cast<std::int64_t>(source.items.size());
    for (std::int64_t i = shard.begin(total); i < shard.end(total); ++i) {
      const GalleryItem& item = source.items[static_cast<std::size_t>(i)];
      wanted.emplace(item.path, &item);
    }
    const auto require = [&](const std::string& path) {
      const auto at = wanted.find(path);
      if (at == wanted.end())
        refuse(fmt::format("of which {} is not in {} any more", path, source.description));
      if (changed(source.image_root / path)) refuse(fmt::format("of which {} has changed since", path));
      return at->second;
    };
    for (const GalleryItem& item : gallery.items) {
      const GalleryItem& now = *require(item.path);
      if (now.id != item.id || now.frame != item.frame || now.caption != item.caption)
        refuse(fmt::format("of which {} has another person, frame or caption now", item.path));
    }
    if (gallery.complete)  // else they are tried again
      for (const std::string& path : gallery.left_out) require(path);
    if (gallery.complete && gallery.items.size() + gallery.left_out.size() < wanted.size())
      refuse(fmt::format("where {} has {} now", source.description, wanted.size()));
    earlier.finished = gallery.complete;
  }
  earlier.gallery = std::move(gallery);
  return earlier;
}

}  // namespace edgeclip
