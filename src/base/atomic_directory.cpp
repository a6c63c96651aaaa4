#include "base/atomic_directory.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "base/artifact.h"
#include "base/file.h"
#include "base/flush.h"
#include "base/io_error.h"
#include "base/json.h"
#include "base/remove_tree.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

/// Of renameat2: the file system or the kernel has no such renaming.
bool lacks_flags(int error) { return error == EINVAL || error == ENOSYS || error == ENOTSUP; }

/// The entries of an artifact's folder by what its head says of itself: all others are somebody else's.
std::set<std::string> own_entries(const fs::path& folder, std::string_view marker) {
  std::set<std::string> own = {std::string(marker)};
  const Json head = read_json(folder / marker);
  if (head.contains("files") && head["files"].is_object())
    for (const auto& item : head["files"].items()) own.insert(fs::path(item.key()).begin()->string());
  if (marker != "gallery.json") own.insert("tokenizer");
  if (marker == "prune.json") own.insert({"pruned", "rounds", "run"});  // of a pruning that was interrupted; the run grows in place
  if (marker == "gallery.json") {
    own.insert({"segments", "failed.csv"});
    if (head.contains("next_segment") && head["next_segment"].is_number_integer())
      own.insert(fmt::format("journal-{:06}.log", head["next_segment"].get<std::int64_t>()));
  }
  if (marker == "dataset.json") {  // whose pictures are too many to be listed
    own.insert("invalid.csv");
    const Json source = head.contains("source") ? head["source"] : Json::object();
    if (source.contains("crops_hash")) own.insert("crops");
    if (source.contains("kind") && source["kind"] == "synthetic") own.insert("images");
  }
  return own;
}

/// Weights of a plan that were packed for a CPU, NAME.plan.packed-LEVEL: written beside it by whoever ran it.
bool is_packed_of(const std::set<std::string>& own, std::string_view marker, const std::string& name) {
  constexpr std::string_view kEnd = ".plan", kPacked = ".packed-", kLevel = "abcdefghijklmnopqrstuvwxyz0123456789_";
  const std::size_t at = name.rfind(kPacked);
  return marker == "plan.json" && at != std::string::npos && own.count(name.substr(0, at)) != 0 &&
         name.substr(0, at).ends_with(kEnd) && name.find_first_not_of(kLevel, at + kPacked.size()) == std::string::npos;
}

/// The entries of an artifact's folder that are none of its own.
std::vector<fs::path> other_entries(const fs::path& folder, std::string_view marker) {
  std::vector<fs::path> others;
  if (fs::is_empty(folder)) return others;
  const std::set<std::string> own = own_entries(folder, marker);
  for (const auto& entry : fs::directory_iterator(folder))
    if (const fs::path name = entry.path().filename();
        own.count(name.string()) == 0 && !is_temporary(name) && !is_packed_of(own, marker, name.string()))
      others.push_back(entry.path());
  return others;
}

/// Before the exchange, so that they are in the old folder or in both, never in none.  Whether there were
/// any.
bool carry_over(const fs::path& from, const fs::path& to, std::string_view marker) {
  bool any = false;
  for (const fs::path& other : other_entries(from, marker)) {
    const fs::path target = to / other.filename();
    if (fs::exists(fs::symlink_status(target))) continue;  // the new artifact has an entry of that name
    any = true;
    std::error_code error;
    constexpr auto kHow = fs::copy_options::recursive | fs::copy_options::copy_symlinks;
    fs::copy(other, target, kHow | fs::copy_options::create_hard_links, error);
    if (!error) continue;  // else a disk without links
    fs::remove_all(target, error);
    fs::copy(other, target, kHow);
  }
  return any;
}

void require_folder_or_nothing(const fs::path& path) {
  const fs::file_type type = file_type_at(path);
  if (type != fs::file_type::not_found && type != fs::file_type::directory)
    invalid_input("{}: is a file, a folder is to be written there; choose another output path",
                  path.string());
}

void require_own_kind(const fs::path& path, std::string_view marker) {
  if (!fs::is_empty(path) && !is_artifact_head(path / marker))
    invalid_input(
        "{}: holds other files (no {} of edgeclip), so it is not replaced; choose another output path",
        path.string(), marker);
}

}  // namespace

void require_replaceable(const fs::path& path, std::string_view marker, const FolderRules& rules) {
  require_writable(path);
  require_folder_or_nothing(path);
  if (!fs::exists(path)) return;
  require_own_kind(path, marker);
  const fs::path place = fs::canonical(path);
  struct stat here {
  }, parent{};
  if (::stat(place.c_str(), &here) != 0 || ::stat(place.parent_path().c_str(), &parent) != 0)
    throw_output_error(path, errno);
  if (place == fs::current_path() || here.st_dev != parent.st_dev)
    invalid_input(
        "{}: is the current folder or a mounted disk, which cannot be replaced; name a folder below",
        path.string());
  for (const fs::path& input : rules.inputs)
    if (!input.empty() && lies_within(input, place))
      invalid_input("{}: holds {}, which would go with it; choose another output path", path.string(),
                    input.string());
  if (!rules.overwrite && !fs::is_empty(path))
    invalid_input("{}: is there already ({}); replace it with --overwrite, or choose another output path",
                  path.string(), marker);
  if (rules.keep_others) return;
  if (const auto others = other_entries(path, marker); !others.empty())
    invalid_input(
        "{}: holds \"{}\", which edgeclip did not write, so it is not replaced; choose another output path",
        path.string(), others.front().filename().string());
}

AtomicDirectory::AtomicDirectory(const fs::path& path, std::string_view marker, FolderRules rules)
    : path_(output_place(path)), work_(temporary_of(path_)), marker_(marker), rules_(std::move(rules)) {
  recover_parked(path_);
  require_replaceable(path, marker, rules_);
  created_ = create_parents(path_);
  try {
    fd_ = claim_output(path_, EntryKind::kFolder);
    unfinished_.announce(work_.c_str());
    require_replaceable(path, marker, rules_);  // another process may have finished in between
  } catch (...) {
    drop();
    throw;
  }
}

AtomicDirectory::~AtomicDirectory() {
  if (!committed_) drop();
}

void AtomicDirectory::drop() noexcept {
  unfinished_.withdraw();
  if (fd_.get() >= 0) {
    reserve_.release();          // there may be no other descriptor left
    remove_tree(work_.c_str());  // under the lock; there may be no memory for std::filesystem's
    fd_.reset();
  }
  remove_created(path_, created_);
}

void AtomicDirectory::put_into_place() {
  unfinished_.withdraw();
  constexpr int kMostTries = 100;  // the place may come and go meanwhile
  for (int i = 0; i < kMostTries; ++i) {
    require_folder_or_nothing(path_);
    if (!fs::exists(path_)) {
      if (::renameat2(AT_FDCWD, work_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) != 0) {
        if (errno == EEXIST) continue;
        if (!lacks_flags(errno)) throw_output_error(path_, errno);
        if (::rename(work_.c_str(), path_.c_str()) != 0) {
          if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR) continue;
          throw_output_error(path_, errno);
        }
      }
      committed_ = true;
      fd_.reset();
      flush_parents(path_, created_);
      return;
    }
    require_own_kind(path_, marker_);  // somebody may have put another thing there
    if (!rules_.overwrite && !fs::is_empty(path_))
      invalid_input(
          "{}: another process has written it meanwhile, so this result is dropped; choose another "
          "output path",
          path_.string());
    if (carry_over(path_, work_, marker_)) flush_tree(work_, path_);
    // Locked under whatever name it has now: the next process must not take it for a dead one's work.
    const OwnedFd old_lock = lock_folder(path_);
    fs::path old = work_;
    if (::renameat2(AT_FDCWD, work_.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) != 0) {
      if (errno == ENOENT) continue;
      if (!lacks_flags(errno)) throw_output_error(path_, errno);
      old = parked_of(path_);
      std::error_code error;
      fs::remove_all(old, error);
      if (::rename(path_.c_str(), old.c_str()) != 0) {
        if (errno == ENOENT) continue;
        throw_output_error(path_, errno);
      }
      if (::rename(work_.c_str(), path_.c_str()) != 0) {
        const int reason = errno;
        ::rename(old.c_str(), path_.c_str());
        throw_output_error(path_, reason);
      }
    }
    committed_ = true;
    fd_.reset();               // the new folder is nobody's any more
    flush_parents(path_, {});  // before the old one goes
    remove_tree(old.c_str());
    return;
  }
  invalid_input("{}: other processes are writing it; choose another output path", path_.string());
}

void AtomicDirectory::commit(Flush flush) {
  EDGECLIP_CHECK(!committed_, "commit twice");
  if (flush == Flush::kWithFolder)
    flush_disk_of(work_, path_);
  else
    flush_tree(work_, path_);
  put_into_place();
}

void replace_with_partial(const fs::path& output, std::string_view marker) {
  const fs::path place = output_place(output), made = partial_of(place);
  const OutputClaim claim(place);
  require_replaceable(place, marker, FolderRules{true});
  flush_tree(made, place);
  if (!fs::exists(place)) {
    if (::rename(made.c_str(), place.c_str()) != 0) throw_output_error(place, errno);
    flush_parents(place, {});
    return;
  }
  fs::path old = made;
  if (::renameat2(AT_FDCWD, made.c_str(), AT_FDCWD, place.c_str(), RENAME_EXCHANGE) != 0) {
    if (!lacks_flags(errno)) throw_output_error(place, errno);
    old = parked_of(place);
    std::error_code error;
    fs::remove_all(old, error);
    if (::rename(place.c_str(), old.c_str()) != 0) throw_output_error(place, errno);
    if (::rename(made.c_str(), place.c_str()) != 0) {
      const int reason = errno;
      ::rename(old.c_str(), place.c_str());
      throw_output_error(place, reason);
    }
  }
  flush_parents(place, {});
  std::error_code error;
  fs::remove_all(old, error);
}

}  // namespace edgeclip
