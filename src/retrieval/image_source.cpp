#include "retrieval/image_source.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "data/dataset/dataset.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kFrameMark = "#frame=";

void add_folder(const fs::path& folder, ImageSource& source) {
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; it != end; it.increment(error)) {
    if (error) break;
    std::error_code ignored;
    if (it->is_regular_file(ignored) && is_image_name(it->path()))
      source.items.push_back({it->path().lexically_relative(folder).generic_string(), -1, -1});
  }
  if (error) invalid_input("{}: cannot be read: {}", folder.string(), error.message());
  std::sort(source.items.begin(), source.items.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  if (source.items.empty())
    invalid_input("{}: holds no images (.jpg, .png, ...); name a folder with images", folder.string());
}

void add_list(const fs::path& list, ImageSource& source) {
  const std::string text = read_file(list);
  if (text.find('\0') != std::string::npos || find_invalid_utf8(text) != std::string::npos)
    invalid_input(
        "{}: is neither an image nor a video nor a list of images (one path per line); name one of these, or "
        "a folder",
        list.string());
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty()) source.items.push_back({line, -1, -1});
  }
  if (source.items.empty()) invalid_input("{}: lists no images; write one path per line", list.string());
}

}  // namespace

ImageSource open_image_source(const fs::path& what, const std::string& split) {
  if (!fs::exists(what))
    invalid_input("{}: is not there; name a folder, a list, a video, an image or a prepared dataset",
                  what.string());
  const fs::path path = fs::absolute(what).lexically_normal();
  require_utf8(path.string(), "path of the images");  // galleries and reports are UTF-8
  ImageSource source;
  source.kind = "images";
  source.description = what.string();
  if (fs::is_directory(path)) {
    if (fs::exists(path / "dataset.json")) {
      const Dataset dataset = open_dataset(path);
      source.kind = "dataset";
      source.image_root = dataset.image_root;
      for (const std::int64_t index : dataset.split(split)) {
        const ImageItem& image = dataset.images[static_cast<std::size_t>(index)];
        const std::string& caption = dataset.pairs[static_cast<std::size_t>(image.rows.front())].caption;
        source.items.push_back({image.path, image.id, image.frame, caption});
      }
      return source;
    }
    source.image_root = path;
    add_folder(path, source);
    return source;
  }
  source.image_root = path.parent_path();
  if (is_video_name(path)) {
    source.kind = "video";
    source.video = path;
  } else if (is_image_name(path)) {
    source.items.push_back({path.filename().string(), -1, -1});
  } else {
    add_list(path, source);
  }
  return source;
}

Shard parse_shard(const std::string& text) {
  Shard shard;
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, shard.index);
  bool good = first.ec == std::errc() && first.ptr != end && *first.ptr == '/';
  if (good) {
    const auto second = std::from_chars(first.ptr + 1, end, shard.count);
    good = second.ec == std::errc() && second.ptr == end;
  }
  if (!good || shard.count < 1 || shard.index < 1 || shard.index > shard.count)
    invalid_input("shard: \"{}\" is not i/n with 1 <= i <= n, as in 1/4", text);
  return shard;
}

std::string frame_path(const std::string& video, std::int64_t frame) {
  return fmt::format("{}{}{}", video, kFrameMark, frame);
}

namespace {

/// The frame that a path names, -1 if it is an image's path; *video: what stands before its mark.
std::int64_t frame_of(const std::string& path, std::string* video) {
  const std::size_t mark = path.rfind(kFrameMark);
  if (mark == std::string::npos) return -1;
  std::int64_t frame = -1;
  const auto parsed =
      std::from_chars(path.data() + mark + kFrameMark.size(), path.data() + path.size(), frame);
  if (parsed.ec != std::errc() || parsed.ptr != path.data() + path.size() || frame < 0) return -1;
  *video = path.substr(0, mark);
  return frame;
}

}  // namespace

std::string item_name(const std::string& path) {
  std::string video;
  const std::int64_t frame = frame_of(path, &video);
  return frame < 0 ? fs::path(path).filename().string()
                   : fmt::format("{}, frame {}", fs::path(video).filename().string(), frame);
}

Image ItemReader::read(const fs::path& image_root, const std::string& path) {
  std::string name;
  const std::int64_t frame = frame_of(path, &name);
  if (frame < 0) return read_image(image_root / path);
  const std::string video = (image_root / name).string();
  if (video != video_ || frame < next_frame_) {
    reader_ = std::make_unique<VideoReader>(video);
    video_ = video;
    next_frame_ = 0;
  }
  Image image;
  while (next_frame_ <= frame) {
    if (!reader_->next(&image)) {
      video_.clear();
      invalid_input("{}: ends before frame {}; the video is not the one that was indexed", video, frame);
    }
    ++next_frame_;
  }
  return image;
}

}  // namespace edgeclip
