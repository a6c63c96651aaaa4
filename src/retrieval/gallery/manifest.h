#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/artifact.h"
#include "base/json.h"
#include "base/tensor.h"
#include "data/image/transform.h"
#include "retrieval/encoder.h"

/// gallery.json (docs/formats.md): what a gallery is made of.  It is replaced by renaming, so a reader has one generation or the next.
namespace edgeclip {

inline constexpr ArtifactFormats kGalleryFormats{1, 2};
inline constexpr const char* kGalleryFile = "gallery.json";

/// Images that were indexed together.
struct GallerySource {
  std::string kind;                        ///< "images" | "dataset" | "video" | "archive" | "embeddings"
  std::string path;                        ///< as it was given
  std::filesystem::path image_root;        ///< absolute; paths of items are relative to it unless absolute
  std::string shard = "1/1";               ///< i/n
  int frame_step = 0;                      ///< of a video
  bool constant_rate = false;              ///< of a video: its frames are known to follow each other evenly (VideoReader::seek())
  std::string list;                        ///< hash of the paths of all its images, in order; "" of a video
  std::uint64_t first_item = 0;            ///< the number of its first image; the others' follow in the source's order
  bool complete = false;                   ///< false: interrupted, or the video was cut off: the rest is missing
  std::vector<std::string> left_out{};     ///< paths of images that could not be read
  /// Whether no path of its items may leave image_root: those of a list of images are what the list says.
  bool rooted() const { return kind == "dataset" || kind == "video" || kind == "archive"; }
};

/// A folder of rows that never changes; what was removed of it is in a file of its own.
struct SegmentEntry {
  std::string name;           ///< of its folder in segments/
  std::int64_t rows = 0;
  std::int64_t removed = 0;   ///< of them
  std::string live;           ///< file of the mask of those that are not removed; "": none was
  Json files;                 ///< sizes and checksums (base/artifact.h) of its files, of `live` too
  std::string model_hash, precision;  ///< of the encoder that made it, as far as known
};

struct GalleryManifest {
  std::int64_t generation = 0;
  std::string embedding_space;  ///< Encoder::embedding_space(): what searches it has the same
  std::string model_name;
  int embedding_dim = 0;        ///< D
  DType rows = DType::f32;      ///< float32, float16, or int8 with a scale for each row
  ImageTransform image;         ///< how the images were preprocessed
  std::uint64_t next_item = 0;
  std::int64_t next_segment = 1;
  std::vector<GallerySource> sources;
  std::vector<SegmentEntry> segments;

  /// Rows that are not removed.
  std::int64_t size() const;
  /// Nothing is missing of any source.
  bool complete() const;
};

/// An empty gallery as the encoder would fill it.
GalleryManifest manifest_for(const Encoder& encoder);

/// Of format 2.  Throws InvalidInput naming what is wrong; looks at no other file.
GalleryManifest read_manifest(const std::filesystem::path& gallery);
/// Throws InvalidInput unless there is a gallery; its format.
int gallery_format(const std::filesystem::path& gallery);
void write_manifest(const std::filesystem::path& gallery, const GalleryManifest& manifest);

std::string segment_name(std::int64_t number);
/// The folder of a segment.
std::filesystem::path segment_folder(const std::filesystem::path& gallery, const std::string& name);

/// "float32", "float16" or "int8" and back.  Throws InvalidInput for another.
DType row_type(const std::string& name, const std::string& where);

}  // namespace edgeclip
