#include "data/image/media.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/io_error.h"
#include "base/output_claim.h"
#include "data/media_module/media_api.h"
#include "data/module.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

/// Loaded at the first call, by one thread; a failure is tried again at the next call.
const EdgeclipMediaApi& media(const fs::path& needed_for) {
  static const EdgeclipMediaApi* const api = reinterpret_cast<const EdgeclipMediaApi* (*)()>(
      load_module("media", "edgeclip_media_v3", ModuleScope::kShared, needed_for.string(),
                  "libopencv-videoio406, libopencv-imgcodecs406"))();
  return *api;
}

[[noreturn]] void media_failed(const std::string& name, const char* what, const EdgeclipMediaError& error) {
  if (error.out_of_memory) throw std::bad_alloc();
  invalid_input("{}: {}: {}", name, what, error.text);
}

/// Whether the machine lets the file be opened and read at all, with a few descriptors to spare.
void require_openable(const fs::path& path) {
  constexpr std::size_t kSpare = 8;
  OwnedFd fds[kSpare];
  for (OwnedFd& fd : fds) {
    fd = OwnedFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (fd.get() < 0) throw_io_error(path, "cannot be opened", errno);
  }
  char byte = 0;
  if (::read(fds[0].get(), &byte, 1) < 0) throw_io_error(path, "cannot be read", errno);
}

Image copy_of(const EdgeclipPixels& pixels) {
  Image image(pixels.width, pixels.height);
  std::copy_n(pixels.rgb, image.rgb.size(), image.rgb.begin());
  return image;
}

bool ends_with_one_of(const fs::path& path, std::initializer_list<const char*> extensions) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

}  // namespace

struct VideoReader::State {
  const EdgeclipMediaApi& api;
  fs::path path;
  void* video;
  std::int64_t frame = 0;  ///< that comes next
  double began = -1;       ///< seconds of frame 0; -1: not known
};

namespace {

void* open_video(const EdgeclipMediaApi& api, const fs::path& path) {
  EdgeclipMediaError error{};
  void* video = api.open_video(fs::absolute(path).c_str(), &error);
  if (video) return video;
  require_openable(path);  // its libraries do not say why they failed
  media_failed(path.string(), "cannot be opened as a video", error);
}

}  // namespace

VideoReader::VideoReader(const fs::path& path) {
  require_file(path, "video");
  const EdgeclipMediaApi& api = media(path);
  require_openable(path);
  state_ = std::make_unique<State>(State{api, path, open_video(api, path)});
}

VideoReader::~VideoReader() {
  if (state_->video != nullptr) state_->api.close_video(state_->video);
}

bool VideoReader::next(Image* frame) {
  EdgeclipPixels pixels{};
  EdgeclipMediaError error{};
  if (state_->api.next_frame(state_->video, &pixels, &error)) {
    *frame = copy_of(pixels);
    if (state_->frame++ == 0) state_->began = time();
    return true;
  }
  if (*error.text || error.out_of_memory) media_failed(state_->path.string(), "cannot be decoded", error);
  return false;
}

std::int64_t VideoReader::skip(std::int64_t frames) {
  std::int64_t skipped = 0;
  if (frames > 0 && state_->frame == 0) {
    skipped = state_->api.skip_frames(state_->video, 1);
    state_->began = time();
  }
  if (frames > skipped && (skipped > 0 || state_->frame > 0)) skipped += state_->api.skip_frames(state_->video, frames - skipped);
  state_->frame += skipped;
  return skipped;
}

bool VideoReader::seek(std::int64_t frame, bool constant_rate) {
  constexpr std::int64_t kNear = 32;  // passed over sooner than a key frame is looked for
  const std::int64_t before = frame - state_->frame;
  if (before >= 0 && (!constant_rate || before <= kNear)) return skip(before) == before;
  if (state_->frame == 0 && skip(1) == 0) return false;
  if (constant_rate && frame > 0 && fps() > 0 && state_->began >= 0) {
    // The frame before it is the one whose time can be looked at without copying.
    if (state_->api.seek(state_->video, frame - 1) && state_->api.skip_frames(state_->video, 1) == 1 &&
        std::abs(time() - state_->began - static_cast<double>(frame - 1) / fps()) < 0.5 / fps()) {
      state_->frame = frame;
      return true;
    }
  }
  state_->api.close_video(std::exchange(state_->video, nullptr));
  state_->video = open_video(state_->api, state_->path);
  state_->frame = 0;
  return skip(frame) == frame;
}

double VideoReader::time() const {
  constexpr double kLongest = 1e9;  // a stream without times gives a number that is none
  const double seconds = state_->api.time_ms(state_->video) / 1000;
  return seconds >= 0 && seconds < kLongest ? seconds : -1;
}
double VideoReader::fps() const { return state_->api.fps(state_->video); }
std::int64_t VideoReader::frame_count() const { return state_->api.frame_count(state_->video); }

Image decode_with_media_module(const std::string& bytes, const std::string& name) {
  const EdgeclipMediaApi& api = media(name);
  EdgeclipPixels pixels{};
  EdgeclipMediaError error{};
  void* handle =
      api.decode_image(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), &pixels, &error);
  if (!handle) media_failed(name, "cannot be read as an image", error);
  const std::unique_ptr<void, void (*)(void*)> owner(handle, api.close_image);
  return copy_of(pixels);
}

bool is_video_name(const fs::path& path) {
  return ends_with_one_of(path, {".avi", ".mp4", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg"});
}

bool is_image_name(const fs::path& path) {
  return ends_with_one_of(path, {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"});
}

}  // namespace edgeclip
