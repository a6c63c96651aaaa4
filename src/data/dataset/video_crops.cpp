#include "data/dataset/video_crops.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/io_error.h"
#include "base/progress.h"
#include "base/signals.h"
#include "data/image/image.h"
#include "data/image/media.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

class Cutter {
 public:
  Cutter(Annotations& annotations, const fs::path& directory)
      : annotations_(annotations), directory_(directory) {}

  /// records: of this video.  Returns without reading on after the last frame that is needed.
  void cut(const fs::path& file, std::vector<Record*> records) {
    std::stable_sort(records.begin(), records.end(),
                     [](const Record* a, const Record* b) { return a->frame < b->frame; });
    VideoReader video(file);
    const std::string prefix = unique_prefix(file);
    Progress progress("crops of " + file.filename().string(), static_cast<std::int64_t>(records.size()),
                      "crops");
    Image frame;
    std::int64_t decoded = 0;
    bool ended = false;
    for (Record* record : records) {
      while (!ended && decoded <= record->frame) {
        throw_if_interrupted();
        constexpr std::int64_t kBetweenSignals = 64;
        const std::int64_t before = std::min(record->frame - decoded, kBetweenSignals),
                           passed = before > 0 ? video.skip(before) : video.next(&frame);
        ended = passed == 0;
        decoded += passed;
      }
      if (decoded <= record->frame)
        reject(*record, fmt::format("frame {} is past the end of {} ({} frames)", record->frame,
                                    file.filename().string(), decoded));
      else
        write(*record, frame, prefix);
      progress.advance();
    }
  }

  void reject(Record& record, std::string reason) {
    annotations_.rejections.push_back({record.index, std::move(reason)});
    record.captions.clear();
  }

 private:
  void write(Record& record, const Image& frame, const std::string& prefix) {
    const Box& box = record.box;
    const int left = std::max(box.x, 0), top = std::max(box.y, 0);
    const int width = std::min(box.x + box.width, frame.width) - left,
              height = std::min(box.y + box.height, frame.height) - top;
    if (width <= 0 || height <= 0) {
      reject(record, fmt::format("box {}, {}, {}, {} lies outside the frame ({} x {})", box.x, box.y,
                                 box.width, box.height, frame.width, frame.height));
      return;
    }
    record.path =
        fmt::format("crops/{}_{:06}_{}_{}_{}_{}.png", prefix, record.frame, left, top, width, height);
    record.width = width;
    record.height = height;
    // One image may have two records, and at the edge two boxes may become one.
    const auto [at, added] = written_.try_emplace(record.path, &record);
    if (added)
      write_png(directory_ / record.path, crop(frame, left, top, width, height), Flush::kWithFolder);
    else if (at->second->id != record.id || at->second->split != record.split)
      reject(record, fmt::format("within the frame its box is that of record {}, with another id or split",
                                 at->second->index));
  }

  std::string unique_prefix(const fs::path& file) {
    const std::string stem = file.stem().string();
    std::string prefix = stem;
    for (int n = 2; !prefixes_.insert(prefix).second; ++n) prefix = fmt::format("{}-{}", stem, n);
    return prefix;
  }

  Annotations& annotations_;
  const fs::path& directory_;
  std::map<std::string, const Record*> written_;  ///< crop to its first record
  std::set<std::string> prefixes_;
};

/// Names of the videos right below the folder.
std::vector<fs::path> videos_below(const fs::path& folder) {
  std::vector<fs::path> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (is_video_name(entry.path())) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

/// "" if it cannot be told.
std::string video_of(const Record& record, const std::vector<fs::path>& names) {
  if (!record.path.empty()) return record.path;
  for (const auto& name : names)
    if (name.stem() == record.folder) return name.string();
  return names.size() == 1 ? names.front().string() : "";
}

}  // namespace

void cut_video_crops(Annotations& annotations, const fs::path& images, const fs::path& directory) {
  Cutter cutter(annotations, directory);
  std::error_code error;
  const bool folder = fs::is_directory(images, error);
  const std::vector<fs::path> names = folder ? videos_below(images) : std::vector<fs::path>{};
  std::map<std::string, std::vector<Record*>>
      videos;  // by name, so that the order of work is always the same
  for (Record& record : annotations.records) {
    const std::string video = folder ? video_of(record, names) : "";
    if (folder && video.empty())
      cutter.reject(record,
                    fmt::format("video is missing, and {} holds {} videos", images.string(), names.size()));
    else if (!folder && !record.path.empty() && fs::path(record.path).filename() != images.filename())
      cutter.reject(record,
                    fmt::format("is of video {}, --images is {}", record.path, images.filename().string()));
    else
      videos[video].push_back(&record);
  }
  if (!folder) {
    VideoReader probe(images);  // one video that does not open is no matter of single records
  }
  fs::create_directories(directory / "crops", error);
  if (error) throw_output_error(directory, error.value());
  for (const auto& [name, records] : videos) {
    if (!folder) {
      cutter.cut(images, records);
      continue;
    }
    try {
      VideoReader probe(images / name);
    } catch (const InvalidInput& unusable) {
      for (Record* record : records) cutter.reject(*record, unusable.what());
      continue;
    }
    cutter.cut(images / name, records);
  }
  auto& records = annotations.records;
  records.erase(
      std::remove_if(records.begin(), records.end(), [](const Record& r) { return r.captions.empty(); }),
      records.end());
}

}  // namespace edgeclip
