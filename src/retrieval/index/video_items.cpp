#include "retrieval/index/video_items.h"

#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "base/signals.h"

namespace edgeclip {

VideoItems::VideoItems(const ImageSource& source, const Shard& shard, int frame_step, GalleryItem file)
    : source_(source), shard_(shard), frame_step_(frame_step), file_(std::move(file)) {}

void VideoItems::open() {
  reader_ = std::make_unique<VideoReader>(source_.video);
  frames_ = reader_->frame_count();
  if (shard_.count > 1 && frames_ < 1)
    invalid_input("{}: does not say how many frames it has; index it without shards", source_.video.string());
  first_ = shard_.count > 1 ? shard_.begin(frames_) : 0;
}

std::optional<VideoItems::Wanted> VideoItems::next(const std::function<bool(std::int64_t, const GalleryItem&)>& wants) {
  if (!reader_) open();
  const std::vector<GalleryItem> whole = {file_};
  const auto image = std::make_shared<Image>();
  for (; waiting_.empty(); ++frame_) {
    if (interrupted()) return std::nullopt;
    if (shard_.count > 1 && shard_.index < shard_.count && frame_ >= shard_.end(frames_)) break;
    const auto boxes = source_.boxes.find(frame_);
    const bool asked = frame_ >= first_ && frame_ % frame_step_ == 0 && (!source_.with_boxes || boxes != source_.boxes.end());
    if (asked ? !reader_->next(image.get()) : reader_->skip(1) == 0) break;
    const double seconds = since_first_frame();
    if (!asked) continue;
    std::int64_t index = source_.with_boxes ? frame_ * kMostBoxes : frame_;
    for (GalleryItem item : source_.with_boxes ? boxes->second : whole) {
      item.path = source_.video.filename().string();
      item.file_bytes = file_.file_bytes;
      item.file_time = file_.file_time;
      item.frame = frame_;
      item.in_video = true;
      if (file_.time != kUnknownTime && reader_->fps() > 0) item.time = file_.time + std::llround(1e6 * seconds);
      if (wants(index, item)) waiting_.push_back({index, std::move(item), image});
      ++index;
    }
  }
  if (waiting_.empty()) {
    at_the_end();
    return std::nullopt;
  }
  std::optional<Wanted> wanted(std::move(waiting_.front()));
  waiting_.pop_front();
  return wanted;
}

/// To the frame that was just read: by the rate, where the container's time agrees with it.
double VideoItems::since_first_frame() {
  if (frame_ == 0) began_ = reader_->time();
  const double by_time = reader_->time() - began_, by_rate = reader_->fps() > 0 ? static_cast<double>(frame_) / reader_->fps() : 0;
  if (by_time > 0 || frame_ == 0) {
    if (std::abs(by_time - by_rate) * reader_->fps() < 0.5) return by_rate;
    even_ = false;
    return by_time;
  }
  even_ = false;  // the container does not say
  return by_rate;
}

void VideoItems::at_the_end() {
  const bool last = shard_.index == shard_.count;
  // Containers may be a little off in what they say; a file that was cut off is far off.
  const std::int64_t expected = shard_.count > 1 ? shard_.end(frames_) : frames_;
  if (frame_ < expected - expected / 100 - 1) {
    spdlog::warn("{}: ends at frame {} of {}: the file is cut off; the gallery is marked as incomplete", source_.video.string(), frame_, frames_);
    cut_off_ = true;
  } else if (last && !source_.boxes.empty() && source_.boxes.rbegin()->first >= frame_) {
    spdlog::warn("{}: has {} frames, and there are boxes of frame {}; they are left out", source_.video.string(), frame_,
                 source_.boxes.rbegin()->first);
  }
}

}  // namespace edgeclip
