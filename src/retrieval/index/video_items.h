#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "data/image/media.h"
#include "retrieval/index/image_source.h"

namespace edgeclip {

/// Most boxes of one frame.
inline constexpr std::int64_t kMostBoxes = 4096;

/// The items of a video, in order, while it is read: frames, or the boxes of frames.  Not thread-safe.
class VideoItems {
 public:
  /// source: of kind "video"; must outlive it.  file: what is known of all its items (video_item, with the file's size and time).
  /// frame_step >= 1.  Nothing is opened yet.
  VideoItems(const ImageSource& source, const Shard& shard, int frame_step, GalleryItem file);

  struct Wanted {
    std::int64_t index;  ///< place in the input: the frame, with boxes frame * kMostBoxes + the box's place
    GalleryItem item;
    std::shared_ptr<const Image> frame;
  };
  /// Reads on to the next item that is wanted; none at the end, or on a signal.  Throws InvalidInput as VideoReader does, and for a shard of
  /// a video that does not say how long it is.
  std::optional<Wanted> next(const std::function<bool(std::int64_t index, const GalleryItem& item)>& wants);

  /// The file ended far before what its container says: it is warned about.
  bool cut_off() const { return cut_off_; }
  /// All frames so far lie where the rate says (GallerySource::constant_rate).
  bool even() const { return even_; }

 private:
  void open();
  double since_first_frame();
  void at_the_end();

  const ImageSource& source_;
  const Shard shard_;
  const int frame_step_;
  const GalleryItem file_;
  std::unique_ptr<VideoReader> reader_;
  std::int64_t frame_ = 0, frames_ = 0, first_ = 0;  ///< the next one; as the container says; of the shard
  double began_ = 0;                                 ///< seconds of the first frame
  bool even_ = true, cut_off_ = false;
  std::deque<Wanted> waiting_;  ///< of the frame that was read last
};

}  // namespace edgeclip
