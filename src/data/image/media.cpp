#include "data/image/media.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "data/media_module/media_api.h"
#include "data/module.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

/// Loaded at the first call, by one thread; a failure is tried again at the next call.
const EdgeclipMediaApi& media(const fs::path& needed_for) {
  static const EdgeclipMediaApi* const api = reinterpret_cast<const EdgeclipMediaApi* (*)()>(
      load_module("media", "edgeclip_media_v1", ModuleScope::kShared, needed_for.string(),
                  "libopencv-videoio406, libopencv-imgcodecs406"))();
  return *api;
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
  std::string name;
  void* video;
};

VideoReader::VideoReader(const fs::path& path) {
  require_file(path, "video");
  const EdgeclipMediaApi& api = media(path);
  char error[256];
  void* video = api.open_video(fs::absolute(path).c_str(), error, sizeof error);
  if (!video) invalid_input("{}: cannot be opened as a video: {}", path.string(), error);
  state_ = std::make_unique<State>(State{api, path.string(), video});
}

VideoReader::~VideoReader() { state_->api.close_video(state_->video); }

bool VideoReader::next(Image* frame) {
  EdgeclipPixels pixels{};
  char error[256];
  if (state_->api.next_frame(state_->video, &pixels, error, sizeof error)) {
    *frame = copy_of(pixels);
    return true;
  }
  if (*error) invalid_input("{}: cannot be decoded: {}", state_->name, error);
  return false;
}

double VideoReader::fps() const { return state_->api.fps(state_->video); }
std::int64_t VideoReader::frame_count() const { return state_->api.frame_count(state_->video); }

Image read_image_with_media_module(const fs::path& path) {
  require_file(path, "image");
  const EdgeclipMediaApi& api = media(path);
  EdgeclipPixels pixels{};
  char error[256];
  void* handle = api.read_image(path.c_str(), &pixels, error, sizeof error);
  if (!handle) invalid_input("{}: cannot be read as an image: {}", path.string(), error);
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
