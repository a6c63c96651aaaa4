#include "data/dataset/source_hash.h"

#include <algorithm>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "base/io_error.h"
#include "base/signals.h"
#include "base/threads.h"
#include "data/image/media.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

std::string content_of(const fs::path& file) {
  if (file_type_at(file) != fs::file_type::regular) return "missing";
  try {
    return hash_file(file);
  } catch (const InvalidInput&) {
    return "unreadable";
  }
}

/// Files right below a folder that fit, sorted.
template <class Fits>
std::set<std::string> files_below(const fs::path& folder, Fits fits) {
  std::set<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.is_regular_file(error) && fits(entry.path())) names.insert(entry.path().filename().string());
  return names;
}

std::string hash_files(const fs::path& folder, const std::set<std::string>& names) {
  const std::vector<std::string> list(names.begin(), names.end());
  std::vector<std::string> hashes(list.size());
  parallel_for(static_cast<std::int64_t>(list.size()), [&](std::int64_t i) {
    throw_if_interrupted();
    hashes[static_cast<std::size_t>(i)] = content_of(folder / list[static_cast<std::size_t>(i)]);
  });
  std::string all;
  for (std::size_t i = 0; i < list.size(); ++i) all += list[i] + '\0' + hashes[i] + '\n';
  return hash_text(all);
}

}  // namespace

std::string hash_images(const Annotations& annotations, const fs::path& images) {
  std::error_code error;
  if (!fs::is_directory(images, error)) return hash_files(images.parent_path(), {images.filename().string()});
  std::set<std::string> names;
  if (annotations.video) names = files_below(images, is_video_name);
  for (const auto& record : annotations.records)
    if (!record.path.empty()) names.insert(record.path);
  return hash_files(images, names);
}

std::string hash_folder(const fs::path& folder) {
  const auto names = files_below(folder, [](const fs::path&) { return true; });
  return names.empty() ? "" : hash_files(folder, names);
}

std::string hash_tokenizer(const std::string& spec) {
  std::error_code error;
  if (fs::is_directory(spec, error)) return hash_folder(spec);
  const auto colon = spec.find(':');
  if (spec.compare(0, colon, "train") == 0 || colon == std::string::npos) return "";
  return content_of(spec.substr(colon + 1));
}

}  // namespace edgeclip
