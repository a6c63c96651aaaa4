#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/atomic_directory.h"
#include "base/json.h"
#include "base/tensor.h"
#include "data/image/transform.h"
#include "retrieval/encoder.h"

/// A gallery: a folder of indexed images (docs/formats.md).
///   embeddings.npy  (N, D) float32, unit rows
///   items.csv       path,id,frame,caption: row i describes embedding i
///   gallery.json    format, edgeclip, model_hash, model, precision, embedding_dim, count, image
///   (preprocessing), image_root, complete, source, left_out, files
namespace edgeclip {

inline constexpr int kGalleryFormat = 1;
inline constexpr const char* kGalleryFile = "gallery.json";

struct GalleryItem {
  std::string path;         ///< relative to image_root, or absolute; a frame of a video: "VIDEO#frame=120"
  std::int64_t id = -1;     ///< person identity where known (prepared datasets), else -1
  std::int64_t frame = -1;  ///< frame of a video where known, else -1
  std::string caption{};    ///< first one of a prepared dataset, else ""
};

/// Read-only and thread-safe once made.
struct Gallery {
  std::filesystem::path directory;   ///< empty: only in memory
  std::filesystem::path image_root;  ///< absolute; paths of items are relative to it
  std::string model_hash, model_name;
  std::string precision;                ///< the encoder's, "" if not known
  int embedding_dim = 0;                ///< D
  ImageTransform image;                 ///< how the images were preprocessed
  bool complete = true;                 ///< false: interrupted, or the video was cut off: the rest is missing
  Json source = Json::object();         ///< what was indexed
  std::vector<std::string> left_out{};  ///< paths of images that could not be read
  std::vector<GalleryItem> items;       ///< N
  Tensor embeddings;                    ///< (N, D) float32, unit rows; memory-mapped when opened

  std::int64_t size() const { return static_cast<std::int64_t>(items.size()); }
};

/// Opens a gallery and checks everything: format, sizes, checksums, counts, that rows are finite and
/// unit-norm, that no path of a dataset's or a video's item leaves image_root (a list of images may name
/// any). Images are not looked for.  Throws InvalidInput naming what is wrong.
Gallery open_gallery(const std::filesystem::path& directory);

/// The same for those who read the images: image_root is where they are found (find_image_root; given: the
/// user's --image-root or "").  Throws InvalidInput if it is not known where.
Gallery open_gallery_with_images(const std::filesystem::path& directory, const std::string& given = {});

/// Writes the folder whole or not at all (commits it).  gallery.directory is not used.  Works after a signal
/// too, so that interrupted indexing can keep what it has.
void write_gallery(AtomicDirectory& folder, const Gallery& gallery);
inline void write_gallery(const std::filesystem::path& directory, const Gallery& gallery,
                          const FolderRules& rules = {}) {
  AtomicDirectory folder(directory, kGalleryFile, rules);
  write_gallery(folder, gallery);
}

/// Throws InvalidInput naming both models, and what to do, unless the encoder is the one the gallery was made
/// with.
void require_same_model(const Gallery& gallery, const Encoder& encoder);

/// An empty gallery as the encoder would fill it.
Gallery gallery_for(const Encoder& encoder);

}  // namespace edgeclip
