#include "retrieval/index/image_source.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <set>
#include <sstream>
#include <unordered_set>

#include "base/file.h"
#include "base/hash.h"
#include "base/io_error.h"
#include "base/log.h"
#include "base/utf8.h"
#include "data/dataset/dataset.h"
#include "data/dataset/dataset_format.h"
#include "retrieval/index/archive_items.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

/// "a, b, c and 7 more".
std::string some_of(std::vector<std::string> names) {
  constexpr std::size_t kNamed = 5;
  std::sort(names.begin(), names.end());
  const std::size_t more = names.size() > kNamed ? names.size() - kNamed : 0;
  names.resize(names.size() - more);
  const std::string text = fmt::format("{}", fmt::join(names, ", "));
  return more == 0 ? text : fmt::format("{} and {} more", text, more);
}

/// What lies below a folder, by paths relative to it, links followed.  Each real folder is entered once, by
/// its own name before that of a link, so that neither a cycle nor a second link to it counts its files
/// again.
class FolderWalk {
 public:
  std::vector<std::string> images, videos;
  std::vector<std::string> others;     ///< links to nothing, and what is named like an image and is no file
  std::vector<std::string> repeated;   ///< links to folders that are entered already
  std::vector<std::string> ascending;  ///< links to folders that hold this one

  explicit FolderWalk(const fs::path& root) : root_(root) {
    enter("");
    while (!folders_.empty() || !links_.empty()) {
      auto& next = folders_.empty() ? links_ : folders_;
      enter(next.extract(next.begin()).value());
    }
  }

 private:
  void enter(const std::string& name) {
    const fs::path folder = name.empty() ? root_ : root_ / name;
    std::error_code error;
    fs::directory_iterator entries(folder, error);
    struct stat info {};
    if (!error && ::stat(folder.c_str(), &info) != 0) error.assign(errno, std::system_category());
    if (!error && !entered_.emplace(info.st_dev, info.st_ino).second) {
      repeated.push_back(name);
      return;
    }
    for (; !error && entries != fs::directory_iterator(); entries.increment(error)) add(*entries, name);
    if (error) throw_io_error(folder, "cannot be read", error.value(), "make it readable or move it away");
  }

  void add(const fs::directory_entry& entry, const std::string& folder) {
    const std::string file = entry.path().filename().string(),
                      name = folder.empty() ? file : folder + '/' + file;
    std::error_code error;
    const fs::file_status status = entry.status(error);
    if (fs::is_directory(status)) {
      if (!entry.is_symlink(error))
        folders_.insert(name);
      else if (lies_within(root_, entry.path()))
        ascending.push_back(name);
      else
        links_.insert(name);
    } else if (is_image_name(entry.path()) || (entry.is_symlink(error) && !fs::exists(status))) {
      (fs::is_regular_file(status) ? images : others).push_back(name);
    } else if (is_video_name(entry.path())) {
      videos.push_back(name);
    }
  }

  const fs::path& root_;
  std::set<std::string> folders_, links_;  ///< still to be entered
  std::set<std::pair<dev_t, ino_t>> entered_;
};

void add_folder(const fs::path& folder, ImageSource& source) {
  FolderWalk walk(folder);
  const std::string where = folder.string();
  if (walk.images.empty() && !walk.videos.empty())
    invalid_input("{}: holds no images; name its videos one by one: {}", where, some_of(walk.videos));
  if (walk.images.empty())
    invalid_input("{}: holds no images (.jpg, .png, ...); name a folder with images", where);
  const auto warn = [&](const std::vector<std::string>& names, const char* one, const char* several) {
    if (names.size() == 1)
      spdlog::warn("{}: 1 {}: {}", where, one, names.front());
    else if (!names.empty())
      spdlog::warn("{}: {} {}: {}", where, names.size(), several, some_of(names));
  };
  warn(walk.videos, "video is not indexed with a folder's images: name it",
       "videos are not indexed with a folder's images: name each one");
  warn(walk.others, "entry is left out, being a link to nothing or no file",
       "entries are left out, being links to nothing or no files");
  warn(walk.ascending, "link leads to a folder that holds this one: it is not followed",
       "links lead to folders that hold this one: they are not followed");
  if (!walk.repeated.empty())
    spdlog::info("{}: {} links lead to folders whose images are taken already: {}", where,
                 walk.repeated.size(), some_of(walk.repeated));
  std::sort(walk.images.begin(), walk.images.end());
  for (std::string& path : walk.images) source.items.push_back({std::move(path)});
}

void add_list(const fs::path& list, ImageSource& source) {
  const std::string text = read_file(list);
  if (text.find('\0') != std::string::npos || find_invalid_utf8(text) != std::string::npos)
    invalid_input(
        "{}: is neither an image nor a video nor a list of images (one path per line); name one of these, or "
        "a folder",
        list.string());
  std::istringstream lines(text);
  std::unordered_set<std::string> seen;
  std::int64_t repeated = 0;
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.empty()) continue;
    if (seen.insert((source.image_root / line).lexically_normal().string()).second)
      source.items.push_back({line});
    else
      ++repeated;
  }
  if (repeated > 0) spdlog::warn("{}: {} lines name an image that an earlier one names, which is taken once", list.string(), repeated);
  if (source.items.empty()) invalid_input("{}: lists no images; write one path per line", list.string());
}

}  // namespace

ImageSource open_image_source(const fs::path& what, const std::string& split, const std::string& image_root) {
  if (!fs::exists(what))
    invalid_input("{}: is not there; name a folder, a list, a video, an archive, an image or a prepared dataset",
                  what.string());
  const fs::path path = fs::absolute(what).lexically_normal();
  require_utf8(path.string(), "path of the images");  // galleries and reports are UTF-8
  ImageSource source;
  source.kind = "images";
  source.description = what.string();
  if (!image_root.empty() && !fs::exists(path / kDatasetFile))
    invalid_input("--image-root {}: says where a prepared dataset's images are, and {} is none", image_root,
                  what.string());
  if (fs::is_directory(path)) {
    if (fs::exists(path / kDatasetFile)) {
      const Dataset dataset = open_dataset_with_images(path, image_root);
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
  } else if (is_archive_name(path)) {
    source.kind = "archive";
    source.image_root = path;
  } else if (is_image_name(path)) {
    source.items.push_back({path.filename().string()});
  } else {
    add_list(path, source);
  }
  return source;
}

std::string list_hash(const ImageSource& source) {
  if (source.streamed() && !source.with_boxes) return "";
  Hasher hasher;
  for (const auto& [frame, items] : source.boxes)
    for (const GalleryItem& item : items) {
      const std::string line = fmt::format("{} {} {} {} {} {}\n", frame, item.track, item.box.x, item.box.y, item.box.width, item.box.height);
      hasher.add(line.data(), line.size());
    }
  for (const GalleryItem& item : source.items) {
    hasher.add(item.path.data(), item.path.size());
    hasher.add("\n", 1);
  }
  return hasher.result();
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

Image ItemReader::read_frame(const std::string& video, std::int64_t frame, bool constant_rate) {
  if (video != video_) {
    reader_ = std::make_unique<VideoReader>(video);
    video_ = video;
  }
  Image image;
  if (!reader_->seek(frame, constant_rate) || !reader_->next(&image)) {
    video_.clear();
    invalid_input("{}: ends before frame {}; the video is not the one that was indexed", video, frame);
  }
  return image;
}

Image part_of(const Image& image, const Box& box, const std::string& where) {
  const auto within = [](float value, int most) { return std::clamp(value, 0.0F, static_cast<float>(most)); };
  const int left = static_cast<int>(std::floor(within(box.x, image.width))), top = static_cast<int>(std::floor(within(box.y, image.height))),
            right = static_cast<int>(std::ceil(within(box.x + box.width, image.width))),
            bottom = static_cast<int>(std::ceil(within(box.y + box.height, image.height)));
  if (right <= left || bottom <= top)
    invalid_input("{}: nothing of the box {:g},{:g} {:g} x {:g} is in the image of {} x {}", where, box.x, box.y, box.width, box.height,
                  image.width, image.height);
  return crop(image, left, top, right - left, bottom - top);
}

Image ItemReader::read(const fs::path& file, const GalleryItem& item, const GallerySource& source) {
  Image whole;
  if (item.in_video) {
    whole = read_frame(file.string(), item.frame, source.constant_rate);
  } else if (source.kind == "archive") {
    if (source.image_root != archive_) members_.reset();
    archive_ = source.image_root;
    whole = decode_image(read_member(members_, archive_, item.path), file.string());
  } else {
    whole = read_image(file);
  }
  return item.box.whole() ? whole : part_of(whole, item.box, file.string());
}

}  // namespace edgeclip
