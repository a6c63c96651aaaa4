#include "data/image/archive.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "base/file.h"
#include "data/archive_module/archive_api.h"
#include "data/image/image.h"
#include "data/module.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

/// Loaded at the first call, by one thread; a failure is tried again at the next call.
const EdgeclipArchiveApi& archives(const fs::path& needed_for) {
  static const EdgeclipArchiveApi* const api = reinterpret_cast<const EdgeclipArchiveApi* (*)()>(
      load_module("archive", "edgeclip_archive_v1", ModuleScope::kShared, needed_for.string(), "libarchive13"))();
  return *api;
}

}  // namespace

struct ArchiveReader::State {
  const EdgeclipArchiveApi& api;
  fs::path path;
  void* archive;
  Member member{};
};

ArchiveReader::ArchiveReader(const fs::path& path) {
  require_file(path, "archive");
  const EdgeclipArchiveApi& api = archives(path);
  EdgeclipArchiveError error{};
  void* archive = api.open(path.c_str(), &error);
  if (archive == nullptr) invalid_input("{}: cannot be opened as an archive: {}", path.string(), error.text);
  state_ = std::make_unique<State>(State{api, path, archive});
}

ArchiveReader::~ArchiveReader() { state_->api.close(state_->archive); }

bool ArchiveReader::next(Member* member) {
  EdgeclipArchiveMember found{};
  EdgeclipArchiveError error{};
  if (state_->api.next(state_->archive, &found, &error) == 0) {
    if (*error.text) invalid_input("{}: cannot be read on: {}", state_->path.string(), error.text);
    return false;
  }
  std::string name = found.name;
  while (name.rfind("./", 0) == 0) name.erase(0, 2);
  state_->member = {std::move(name), found.bytes, found.time_ns};
  *member = state_->member;
  return true;
}

std::string ArchiveReader::read() {
  constexpr std::int64_t kPiece = 1 << 18;
  std::string bytes;
  for (std::int64_t got = 1; got > 0;) {
    const std::size_t before = bytes.size();
    if (static_cast<std::int64_t>(before) > kMostImageBytes)
      invalid_input("{}: {}: has more than {} MiB; an image has less", state_->path.string(), state_->member.name, kMostImageBytes >> 20);
    bytes.resize(before + kPiece);
    EdgeclipArchiveError error{};
    got = state_->api.read(state_->archive, reinterpret_cast<std::uint8_t*>(bytes.data()) + before, kPiece, &error);
    if (got < 0) invalid_input("{}: {}: cannot be read: {}", state_->path.string(), state_->member.name, error.text);
    bytes.resize(before + static_cast<std::size_t>(got));
  }
  return bytes;
}

bool is_archive_name(const fs::path& path) {
  std::string name = path.filename().string();
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const char* ending : {".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".zip"})
    if (name.size() > std::string(ending).size() && name.ends_with(ending)) return true;
  return false;
}

}  // namespace edgeclip
