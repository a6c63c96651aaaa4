#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "base/output_claim.h"

namespace edgeclip {

/// What may stand where a folder is to be written.
struct FolderRules {
  /// An artifact of the same kind may be replaced; else it is refused, naming --overwrite.
  bool overwrite = false;
  /// What is read while the folder is made; refused if it lies in the folder that is replaced.
  std::vector<std::filesystem::path> inputs{};
  /// Entries that are none of the artifact's are no reason to refuse: they are carried over.  For folders
  /// that a command replaces again and again, where a note of the user's must not end hours of work.
  bool keep_others = false;
};

/// Throws InvalidInput unless AtomicDirectory(path, marker, rules) would be created.  Changes nothing.
void require_replaceable(const std::filesystem::path& path, std::string_view marker,
                         const FolderRules& rules = {});

/// Puts a whole folder that was made at partial_of(place) in the place of the artifact there, in one step, and removes the old one.  Others'
/// entries of the old folder are a reason to refuse.  Throws as AtomicDirectory; `made` is whole then, and stays.
void replace_with_partial(const std::filesystem::path& place, std::string_view marker);

/// A folder that appears whole or not at all, whatever kills the process: fill work(), then commit() puts it
/// in its place in one step (renameat2's exchange; where a file system has none, two renames that the next
/// opening undoes if they were cut off).  From construction on no other process can write the same output. An
/// older folder there is replaced only if it is empty, or an artifact of ours headed by `marker`
/// (base/artifact.h) and the rules allow it; anything else is refused at construction, before any work is
/// done.  What somebody puts into the old folder while the new one is made is carried over.  Parents as in
/// AtomicFile.
class AtomicDirectory {
 public:
  AtomicDirectory(const std::filesystem::path& path, std::string_view marker, FolderRules rules = {});
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;

  const std::filesystem::path& work() const { return work_; }
  /// flush: kWithFolder if files were written that way.
  void commit(Flush flush = Flush::kWithFile);

 private:
  void put_into_place();
  void drop() noexcept;

  std::filesystem::path path_, work_, created_;  ///< path_ without symbolic links: their target is replaced
  const std::string marker_;
  const FolderRules rules_;
  DescriptorReserve reserve_;  ///< for drop()
  OwnedFd fd_;
  Unfinished unfinished_;
  bool committed_ = false;
};

}  // namespace edgeclip
