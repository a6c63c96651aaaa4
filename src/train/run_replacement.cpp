#include "train/run_replacement.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cstdint>

#include "base/flush.h"
#include "base/io_error.h"
#include "base/json.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

/// run.json comes last: a folder that is cut off half-way is still known as a run.
constexpr const char* kArtifacts[] = {"best", "final", kCheckpoints, kEvents, kExampleFile, "state.safetensors", "metrics.jsonl", "run.json"};
/// .next under the name that says it is complete: from there on the new run is the run.
constexpr const char* kReplacement = ".replacement";
constexpr const char* kEntries = "entries.json";  ///< in it: the artifacts of the new run, with their inodes

/// 0: there is none.
std::uint64_t inode_of(const fs::path& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_ino) : 0;
}

void flush_folder(const fs::path& folder) { flush_parents(folder / "entry", {}); }

void rename_or_throw(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) throw_io_error(to, "the new run cannot be put there", error.value(), "it lies beside it");
}

/// next, which is of the new run, to its place.
void put_in_place(const fs::path& next, const fs::path& place, const fs::path& old) {
  if (::renameat2(AT_FDCWD, next.c_str(), AT_FDCWD, place.c_str(), RENAME_EXCHANGE) == 0) return;
  if (fs::exists(fs::symlink_status(place))) rename_or_throw(place, old);
  rename_or_throw(next, place);
}

}  // namespace

bool holds_trained_run(const fs::path& run) {
  return fs::exists(run / "best") || fs::exists(run / "final") || fs::exists(run / "state.safetensors");
}

void replace_run(const fs::path& run) {
  const fs::path next = run / kNextRun;
  Json entries = Json::object();
  for (const char* name : kArtifacts)
    if (const std::uint64_t inode = inode_of(next / name); inode != 0) entries[name] = inode;
  write_json(next / kEntries, entries);
  flush_folder(next);
  rename_or_throw(next, run / kReplacement);
  flush_folder(run);
  finish_replacement(run);
}

bool needs_finishing(const fs::path& run) { return fs::is_directory(run / kReplacement); }

fs::path run_json_in_force(const fs::path& run) {
  constexpr const char* kHead = "run.json";
  const fs::path from = run / kReplacement;
  if (!needs_finishing(run) || !fs::exists(from / kEntries)) return run / kHead;
  const Json entries = read_json(from / kEntries);
  const auto entry = entries.find(kHead);
  // It is the last to be exchanged: the old one may lie there already.
  const bool here = entry != entries.end() && inode_of(from / kHead) == entry->get<std::uint64_t>();
  return (here ? from : run) / kHead;
}

void finish_replacement(const fs::path& run) {
  if (!needs_finishing(run)) return;
  const fs::path from = run / kReplacement;
  if (fs::exists(from / kEntries)) {  // what is removed below lies there without
    const Json entries = read_json(from / kEntries);
    for (const char* name : kArtifacts) {
      const fs::path place = run / name, next = from / name, old = from / (std::string(name) + ".old");
      const auto entry = entries.find(name);
      if (entry == entries.end()) {
        if (fs::exists(fs::symlink_status(place))) rename_or_throw(place, old);
      } else if (inode_of(place) != entry->get<std::uint64_t>()) {
        put_in_place(next, place, old);
      }
    }
    flush_folder(run);
    std::error_code error;
    fs::remove(from / kEntries, error);
    flush_folder(from);
  }
  std::error_code error;
  fs::remove_all(from, error);
}

}  // namespace edgeclip
