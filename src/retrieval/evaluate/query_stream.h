#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "retrieval/encoder.h"
#include "retrieval/gallery/snapshot.h"

namespace edgeclip {

/// What a benchmark asks: images and texts of two lists, taken in turn, each from its file or its words to ranked answers, one batch
/// after the other.  The lists must outlive it.  Not thread-safe.
class QueryStream {
 public:
  /// top: results of each search.
  QueryStream(const std::vector<std::filesystem::path>& images, const std::vector<std::string>& texts, int top)
      : images_(images), texts_(texts), top_(top) {}

  bool has_texts() const { return !texts_.empty(); }

  /// Reads, decodes, preprocesses, encodes and searches for the next `count` images.  Returns the seconds spent in the encoder.  Throws
  /// InvalidInput if an image cannot be read (the next call goes on behind it), Interrupted on a signal.
  double ask_images(Encoder& encoder, const GallerySnapshot& gallery, int count);
  /// Tokenizes, encodes and searches for the next `count` texts; likewise.
  double ask_texts(Encoder& encoder, const GallerySnapshot& gallery, int count);

  /// The next `count` images as the encoder takes them, (count, 3, H, W); paths: which they were.
  Tensor next_images(const Encoder& encoder, int count, std::vector<std::filesystem::path>* paths = nullptr);

 private:
  void search_for(const Tensor& rows, const GallerySnapshot& gallery) const;

  const std::vector<std::filesystem::path>& images_;
  const std::vector<std::string>& texts_;
  const int top_;
  std::size_t next_image_ = 0, next_text_ = 0;
};

}  // namespace edgeclip
