#include "base/atomic_files.h"

namespace edgeclip {

AtomicFiles::~AtomicFiles() {
  // The first one made the folder, and removes it if it is empty again.
  while (!files_.empty()) files_.pop_back();
}

AtomicFile& AtomicFiles::add(const std::filesystem::path& path) {
  return *files_.emplace_back(std::make_unique<AtomicFile>(path));
}

void AtomicFiles::commit() {
  for (const auto& file : files_) file->flush();
  for (const auto& file : files_) file->commit();
}

}  // namespace edgeclip
