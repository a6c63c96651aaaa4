#include "retrieval/index/box_file.h"

#include <charconv>
#include <cmath>
#include <sstream>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "retrieval/index/video_items.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

constexpr double kMostPixels = 1e6;  ///< of a side

/// What makes a box one that is taken; counts the others.
bool takes(BoxFile& boxes, const Box& box) {
  if (box.width > 0 && box.height > 0) return true;
  ++boxes.left_out;
  return false;
}

Box box_of(const double (&v)[4], double origin, const std::string& where) {
  for (const double value : v)
    if (!(std::abs(value) <= kMostPixels)) invalid_input("{}: the box {}, {}, {}, {} is none in pixels", where, v[0], v[1], v[2], v[3]);
  return {static_cast<float>(v[0] - origin), static_cast<float>(v[1] - origin), static_cast<float>(v[2]), static_cast<float>(v[3])};
}

BoxFile read_mot(const fs::path& file, const std::string& text, double least_score) {
  constexpr std::size_t kFields = 6, kScore = 6, kClass = 7;
  BoxFile boxes;
  std::istringstream lines(text);
  std::int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.empty()) continue;
    std::vector<double> fields;
    const char *at = line.data(), *const end = at + line.size();
    for (;;) {
      while (at != end && *at == ' ') ++at;
      double value = 0;
      const auto read = std::from_chars(at, end, value);
      if (read.ec != std::errc() || (read.ptr != end && *read.ptr != ','))
        invalid_input("{}: line {}: is neither JSON nor of the form frame,track,left,top,width,height,...", file.string(), number);
      fields.push_back(value);
      if (read.ptr == end) break;
      at = read.ptr + 1;
    }
    const std::string where = fmt::format("{}: line {}", file.string(), number);
    if (fields.size() < kFields) invalid_input("{}: has {} numbers, not frame,track,left,top,width,height", where, fields.size());
    if (!(fields[0] >= 1 && fields[0] < 1e9) || fields[0] != std::floor(fields[0])) invalid_input("{}: frame {} is none; they count from 1", where, fields[0]);
    const bool classed = fields.size() > kClass && fields[kClass] >= 1;
    if (classed ? fields[kClass] >= 2 || fields[kScore] == 0 : fields.size() > kScore && fields[kScore] < least_score) {
      ++boxes.left_out;
      continue;
    }
    const Box box = box_of({fields[2], fields[3], fields[4], fields[5]}, 1, where);
    if (takes(boxes, box)) boxes.by_frame[static_cast<std::int64_t>(fields[0]) - 1].push_back({box, fields[1] >= 0 && fields[1] < 1e15 ? static_cast<std::int64_t>(fields[1]) : -1});
  }
  return boxes;
}

std::int64_t person_category(const Json& coco, const std::string& file) {
  if (!coco.is_object() || !coco.contains("categories")) return 1;
  for (const Json& category : coco["categories"])
    if (category.is_object() && category.value("name", Json()) == "person") return json_get<std::int64_t>(category, "id", file + ": categories");
  invalid_input("{}: categories: none is called \"person\"", file);
}

/// A whole number of the entry, -1 where there is none.
std::int64_t whole_number(const Json& entry, const char* key) {
  return entry.contains(key) && entry[key].is_number_integer() ? entry[key].get<std::int64_t>() : -1;
}

BoxFile read_coco(const fs::path& file, const Json& coco, double least_score) {
  const std::string name = file.string();
  const bool detections = coco.is_array();
  if (!detections && !(coco.is_object() && coco.contains("annotations") && coco["annotations"].is_array()))
    invalid_input("{}: has neither COCO's \"annotations\" nor a list of detections", name);
  struct Frame {
    std::int64_t number;
    std::string file_name;
  };
  std::unordered_map<std::int64_t, Frame> frames;
  if (!detections && coco.contains("images"))
    for (const Json& image : coco["images"]) {
      const auto id = json_get<std::int64_t>(image, "id", name + ": images");
      const std::int64_t number = whole_number(image, "frame_id");
      frames[id] = {number >= 0 ? number : id, image.contains("file_name") && image["file_name"].is_string() ? image["file_name"].get<std::string>() : ""};
    }
  const std::int64_t person = person_category(coco, name);
  BoxFile boxes;
  std::size_t place = 0;
  for (const Json& entry : detections ? coco : coco["annotations"]) {
    const std::string where = fmt::format("{}: {} {}", name, detections ? "detection" : "annotation", place++);
    if (!entry.is_object()) invalid_input("{}: is no object", where);
    const auto id = json_get<std::int64_t>(entry, "image_id", where);
    const bool other = entry.contains("category_id") && entry["category_id"] != person;
    const bool unsure = entry.contains("score") && entry["score"].is_number() && entry["score"].get<double>() < least_score;
    if (other || unsure || whole_number(entry, "iscrowd") > 0) {
      ++boxes.left_out;
      continue;
    }
    const auto numbers = json_get<std::vector<double>>(entry, "bbox", where);
    if (numbers.size() != 4) invalid_input("{}: bbox: has {} numbers, not x, y, width, height", where, numbers.size());
    const Box box = box_of({numbers[0], numbers[1], numbers[2], numbers[3]}, 0, where);
    if (!takes(boxes, box)) continue;
    const std::int64_t track = whole_number(entry, "track_id") >= 0 ? whole_number(entry, "track_id") : whole_number(entry, "instance_id");
    const auto frame = frames.find(id);
    if (frame == frames.end() && !frames.empty()) invalid_input("{}: image_id {} is none of the images", where, id);
    const std::int64_t number = frame == frames.end() ? id : frame->second.number;
    if (number < 0) invalid_input("{}: image_id {} is no frame", where, number);
    boxes.by_frame[number].push_back({box, track});
    if (frame != frames.end() && !frame->second.file_name.empty()) boxes.by_name[frame->second.file_name].push_back({box, track});
  }
  return boxes;
}

/// What `prepare` takes of a video.
BoxFile read_records(const fs::path& file, const Json& records) {
  BoxFile boxes;
  std::size_t place = 0;
  for (const Json& record : records) {
    const std::string where = fmt::format("{}: record {}", file.string(), place++);
    const auto frame = json_get<std::int64_t>(record, "frame", where);
    const auto numbers = json_get<std::vector<double>>(record, "box", where);
    if (frame < 0) invalid_input("{}: frame: {} is none", where, frame);
    if (numbers.size() != 4) invalid_input("{}: box: has {} numbers, not x, y, width, height", where, numbers.size());
    const Box box = box_of({numbers[0], numbers[1], numbers[2], numbers[3]}, 0, where);
    if (takes(boxes, box)) boxes.by_frame[frame].push_back({box, -1, whole_number(record, "id")});
  }
  return boxes;
}

std::string behind_last_slash(const std::string& path) { return path.substr(path.rfind('/') + 1); }

void apply_to_images(ImageSource& source, const BoxFile& boxes, const fs::path& file) {
  std::unordered_map<std::string, const std::vector<PersonBox>*> by_path, by_last;
  for (const auto& [name, of_it] : boxes.by_name) {
    by_path[fs::path(name).lexically_normal().string()] = &of_it;
    const auto [at, fresh] = by_last.emplace(behind_last_slash(name), &of_it);
    if (!fresh) at->second = nullptr;  // which one is not known
  }
  std::vector<GalleryItem> items;
  std::int64_t without = 0;
  for (std::size_t i = 0; i < source.items.size(); ++i) {
    const GalleryItem& image = source.items[i];
    const std::vector<PersonBox>* found = nullptr;
    if (!boxes.by_name.empty()) {
      const auto path = by_path.find(fs::path(image.path).lexically_normal().string());
      const auto last = by_last.find(behind_last_slash(image.path));
      found = path != by_path.end() ? path->second : last != by_last.end() ? last->second : nullptr;
    } else if (const auto frame = boxes.by_frame.find(static_cast<std::int64_t>(i)); frame != boxes.by_frame.end()) {
      found = &frame->second;
    }
    if (found == nullptr) {
      ++without;
      continue;
    }
    for (const PersonBox& person : *found) {
      GalleryItem item = image;
      item.box = person.box;
      item.track = person.track;
      if (person.person >= 0) item.id = person.person;
      items.push_back(std::move(item));
    }
  }
  if (items.empty()) invalid_input("{}: has boxes of none of the images of {}", file.string(), source.description);
  if (without > 0) spdlog::warn("{}: {} of {} images have no box in {} and are left out", source.description, without, source.items.size(), file.string());
  source.items = std::move(items);
}

}  // namespace

BoxFile read_box_file(const fs::path& file, double least_score) {
  const std::string text = read_file(file);
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) invalid_input("{}: is empty", file.string());
  BoxFile boxes;
  if (text[first] == '{' || text[first] == '[') {
    const Json json = parse_json(text, file);
    const bool records = json.is_array() && !json.empty() && json.front().is_object() && json.front().contains("box");
    boxes = records ? read_records(file, json) : read_coco(file, json, least_score);
  } else {
    boxes = read_mot(file, text, least_score);
  }
  if (boxes.by_frame.empty()) invalid_input("{}: has no box of a person ({} are of others, below the score, or empty)", file.string(), boxes.left_out);
  if (boxes.left_out > 0) spdlog::info("{}: {} boxes are left out: of others than persons, below the score, or empty", file.string(), boxes.left_out);
  return boxes;
}

void apply_box_file(ImageSource& source, const fs::path& file, double least_score) {
  BoxFile boxes = read_box_file(file, least_score);
  if (source.kind != "video") {
    apply_to_images(source, boxes, file);
    return;
  }
  source.with_boxes = true;
  for (auto& [frame, of_it] : boxes.by_frame) {
    if (static_cast<std::int64_t>(of_it.size()) > kMostBoxes)
      invalid_input("{}: frame {} has {} boxes, more than {}", file.string(), frame, of_it.size(), kMostBoxes);
    for (const PersonBox& person : of_it) {
      GalleryItem item = source.video_item;
      item.box = person.box;
      item.track = person.track;
      item.id = person.person;
      source.boxes[frame].push_back(std::move(item));
    }
  }
}

}  // namespace edgeclip
