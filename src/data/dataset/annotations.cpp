#include "data/dataset/annotations.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <map>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "base/nearest.h"
#include "data/dataset/dataset_format.h"
#include "data/dataset/formats.h"

namespace edgeclip {

namespace {

/// "train", "val" or "test" for the names that are usual for them, in any case; "" for others.
std::string split_of(std::string name) {
  static const std::map<std::string, const char*> names = {
      {"train", "train"},    {"training", "train"}, {"val", "val"},   {"valid", "val"},
      {"validation", "val"}, {"dev", "val"},        {"test", "test"}, {"testing", "test"}};
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto found = names.find(name);
  return found == names.end() ? "" : found->second;
}

/// Why a record is rejected; caught where records are read.
struct Unusable {
  std::string reason;
};

template <class... Args>
[[noreturn]] void reject(fmt::format_string<Args...> format, Args&&... args) {
  throw Unusable{fmt::format(format, std::forward<Args>(args)...)};
}

const Json& field(const Json& json, const char* key) {
  const auto it = json.find(key);
  if (it == json.end()) reject("{} is missing", key);
  return *it;
}

std::string string_field(const Json& json, const char* key) {
  const Json& value = field(json, key);
  if (!value.is_string()) reject("{} must be a string, not {}", key, json_kind(value));
  return value.get<std::string>();
}

/// An integer of [0, 2^53].
std::int64_t count_field(const Json& json, const char* key) {
  const Json& value = field(json, key);
  if (!value.is_number_integer()) reject("{} must be an integer, not {}", key, json_kind(value));
  const double wide = value.get<double>();
  if (wide < 0 || wide > 0x1p53) reject("{} {} is out of range", key, value.dump());
  return value.get<std::int64_t>();
}

/// A path that stays below its folder, normalized ("a/./b.jpg" and "a/b.jpg" are one image).
std::string relative_path(std::string text, const char* key, const std::string& strip_prefix) {
  if (!strip_prefix.empty() && text.compare(0, strip_prefix.size(), strip_prefix) == 0)
    text.erase(0, strip_prefix.size() +
                      (text.size() > strip_prefix.size() && text[strip_prefix.size()] == '/' ? 1 : 0));
  if (text.find('\0') != std::string::npos) reject("{} holds a zero character", key);
  const std::filesystem::path path = std::filesystem::path(text).lexically_normal();
  if (text.empty() || path == ".") reject("{} is empty", key);
  if (!stays_below_root(text)) reject("{} \"{}\" leaves the image folder", key, text);
  return path.string();
}

std::string trimmed(const std::string& text) {
  constexpr const char* kSpace = " \t\r\n\f\v";
  const auto first = text.find_first_not_of(kSpace);
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

Box box_field(const Json& json) {
  const Json& value = field(json, "box");
  if (!value.is_array() || value.size() != 4)
    reject("box must be a list of four numbers (x, y, w, h), not {}", value.dump().substr(0, 80));
  int numbers[4];
  for (std::size_t i = 0; i < 4; ++i) {
    if (!value[i].is_number()) reject("box must hold numbers, not {}", json_kind(value[i]));
    const double number = value[i].get<double>();
    if (!(std::abs(number) < 1e8)) reject("box value {} is out of range", value[i].dump());
    numbers[i] = static_cast<int>(std::lround(number));
  }
  if (numbers[2] <= 0 || numbers[3] <= 0) reject("box is empty ({} x {})", numbers[2], numbers[3]);
  return {numbers[0], numbers[1], numbers[2], numbers[3]};
}

class Reader {
 public:
  Reader(Annotations& out, const std::string& strip_prefix, bool need_split)
      : out_(out), strip_prefix_(strip_prefix), need_split_(need_split) {}

  void read(const Json& json, std::int64_t index) {
    try {
      read_record(json, index);
    } catch (const Unusable& unusable) {
      out_.rejections.push_back({index, unusable.reason});
    }
  }
  bool any_caption() const { return any_caption_; }

 private:
  void read_record(const Json& json, std::int64_t index) {
    if (!json.is_object()) reject("must be an object, not {}", json_kind(json));
    if (json.contains("unusable")) reject("{}", string_field(json, "unusable"));
    Record record;
    record.index = index;
    read_captions(json, record);  // first, so that a file without any is recognized
    if (need_split_) {
      if (!json.contains("split"))
        reject("split is missing; have a part of the identities tested with --split 0.2");
      const std::string written = string_field(json, "split");
      record.split = split_of(trimmed(written));
      if (record.split.empty()) reject("unknown split \"{}\"{}", written, did_you_mean(written, kSplitNames));
    }
    if (out_.video) {
      record.frame = count_field(json, "frame");
      record.box = box_field(json);
      if (json.contains("video"))
        record.path = relative_path(string_field(json, "video"), "video", strip_prefix_);
      if (json.contains("file_path")) {
        const std::filesystem::path path =
            relative_path(string_field(json, "file_path"), "file_path", strip_prefix_);
        if (path.has_parent_path()) record.folder = path.begin()->string();
      }
    } else {
      record.path = relative_path(string_field(json, "file_path"), "file_path", strip_prefix_);
    }
    record.id = count_field(json, "id");  // after the path, of which a folder tree takes it
    add(std::move(record));
  }

  /// A line of invalid.csv about a record that is used all the same.
  void note(const Record& record, std::string reason) {
    out_.rejections.push_back({record.index, std::move(reason)});
  }

  void read_captions(const Json& json, Record& record) {
    const Json& captions = field(json, "captions");
    if (!captions.is_array()) reject("captions must be a list of strings, not {}", json_kind(captions));
    std::size_t blank = 0;
    std::string wrong;  // about the captions that are no strings
    for (std::size_t i = 0; i < captions.size(); ++i) {
      if (!captions[i].is_string()) {
        wrong += fmt::format("{}captions[{}] must be a string, not {}", wrong.empty() ? "" : "; ", i,
                             json_kind(captions[i]));
        continue;
      }
      std::string text = trimmed(captions[i].get<std::string>());
      if (text.empty())
        ++blank;
      else
        record.captions.push_back(std::move(text));
    }
    if (captions.empty()) reject("captions is empty");
    if (record.captions.empty()) reject("{}", wrong.empty() ? "all captions are blank" : wrong);
    any_caption_ = true;
    if (!wrong.empty()) note(record, wrong + "; the others are used");
    if (blank > 0)
      note(record, fmt::format("{} of {} captions are blank; the others are used", blank, captions.size()));
  }

  /// A second record of one image may bring further captions; anything else is a duplicate.
  void add(Record record) {
    const Box& box = record.box;
    const std::string image = fmt::format("{}\n{}\n{} {} {} {} {}", record.path, record.folder, record.frame,
                                          box.x, box.y, box.width, box.height);
    const auto [at, added] = seen_.try_emplace(image, out_.records.size());
    if (!added) {
      const Record& first = out_.records[at->second];
      if (first.id != record.id || first.split != record.split)
        reject("the image is already used by record {} with another id or split", first.index);
    }
    // What one record says twice is its own matter; what an earlier one has said already is a duplicate.
    auto& known = captions_[image];
    std::vector<std::string> fresh;
    for (const auto& caption : record.captions)
      if (std::find(known.begin(), known.end(), caption) == known.end()) fresh.push_back(caption);
    known.insert(known.end(), fresh.begin(), fresh.end());
    if (fresh.empty()) reject("duplicate of record {}", out_.records[at->second].index);
    if (fresh.size() < record.captions.size())
      note(record, fmt::format("{} of {} captions are duplicates; the others are used",
                               record.captions.size() - fresh.size(), record.captions.size()));
    record.captions = std::move(fresh);
    out_.records.push_back(std::move(record));
  }

  Annotations& out_;
  const std::string& strip_prefix_;
  const bool need_split_;
  bool any_caption_ = false;
  std::unordered_map<std::string, std::size_t> seen_;                   ///< image to its first record
  std::unordered_map<std::string, std::vector<std::string>> captions_;  ///< image to its captions so far
};

}  // namespace

Annotations read_annotations(const std::string& file, const std::string& format,
                             const std::string& strip_prefix, bool need_split) {
  const AnnotationFile source = read_annotation_file(file);
  const AnnotationFormat& found = annotation_format(source, format);
  const Json list = found.records(source);
  if (list.empty()) invalid_input("{}: holds no records", file);
  Annotations annotations;
  annotations.format = found.name;
  annotations.video = annotations.format == "video";
  annotations.total = static_cast<std::int64_t>(list.size());
  Reader reader(annotations, strip_prefix, need_split);
  for (std::size_t i = 0; i < list.size(); ++i) reader.read(list[i], static_cast<std::int64_t>(i));
  if (!reader.any_caption())
    invalid_input("{}: none of its {} records has a caption; each record needs \"captions\": [\"...\"]", file,
                  list.size());
  return annotations;
}

}  // namespace edgeclip
