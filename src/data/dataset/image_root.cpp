#include "data/dataset/image_root.h"

#include <algorithm>
#include <vector>

#include "base/file.h"
#include "base/io_error.h"
#include "base/log.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kSample = 32;

/// Without a slash at its end.
fs::path normal(const fs::path& path) {
  const fs::path whole = fs::absolute(path).lexically_normal();
  return whole.has_filename() || !whole.has_relative_path() ? whole : whole.parent_path();
}

class Search {
 public:
  explicit Search(const NamedImages& images) {
    const std::int64_t count = std::min(images.count, kSample);
    for (std::int64_t i = 0; i < count; ++i) sample_.push_back(images.path(i * images.count / count));
  }
  const std::string& first() const { return sample_.front(); }
  bool empty() const { return sample_.empty(); }
  bool any_below(const fs::path& root) const {
    return std::any_of(sample_.begin(), sample_.end(), [&](const auto& path) { return exists(root, path); });
  }
  bool all_below(const fs::path& root) const {
    return std::all_of(sample_.begin(), sample_.end(), [&](const auto& path) { return exists(root, path); });
  }

 private:
  static bool exists(const fs::path& root, const std::string& path) {
    return file_type_at(root / path) != fs::file_type::not_found;
  }
  std::vector<std::string> sample_;
};

/// Folders to be tried where the stored root is of no use; none twice.
std::vector<fs::path> neighbourhood(const NamedImages& images) {
  const fs::path own = normal(images.artifact), parent = own.parent_path(), stored = normal(images.stored);
  std::vector<fs::path> folders;
  for (const fs::path& folder : {own, parent / stored.filename(), parent})
    if (folder != stored && std::find(folders.begin(), folders.end(), folder) == folders.end())
      folders.push_back(folder);
  return folders;
}

}  // namespace

fs::path find_image_root(const NamedImages& images, const std::string& given) {
  const Search search(images);
  if (!given.empty()) {
    require_directory(given, "--image-root");
    const fs::path root = normal(given);
    if (!search.empty() && !search.any_below(root))
      invalid_input("--image-root {}: holds none of the images of {}; {} is not there, for one", given,
                    images.artifact.string(), (root / search.first()).string());
    return root;
  }
  if (search.empty() || search.any_below(images.stored)) return images.stored;
  std::vector<fs::path> found;
  std::string tried;
  for (const fs::path& folder : neighbourhood(images)) {
    if (search.all_below(folder)) found.push_back(folder);
    tried += (tried.empty() ? "" : ", ") + folder.string();
  }
  if (found.size() > 1)
    invalid_input(
        "{}: its images are not below {} any more, and both {} and {} hold files of their names; say with "
        "--image-root which folder it is",
        images.artifact.string(), images.stored.string(), found[0].string(), found[1].string());
  if (found.empty())
    invalid_input(
        "{}: its images are not below {} any more ({} is not there, for one), nor below {}; name the folder "
        "with --image-root DIR",
        images.artifact.string(), images.stored.string(), search.first(), tried);
  spdlog::warn("{}: its images are not below {} any more; those below {} are used", images.artifact.string(),
               images.stored.string(), found[0].string());
  return found[0];
}

}  // namespace edgeclip
