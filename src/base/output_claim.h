#pragma once

#include <filesystem>
#include <string>

#include "base/owned_fd.h"
#include "base/unfinished.h"

/// How two processes are kept from writing one output, and how what a killed one left is found.
///
/// While an output PARENT/NAME is made, PARENT/.NAME.edgeclip-tmp exists and is locked (flock): it is the new
/// file or folder itself, or for an output that grows in place an empty folder.  Its name is fixed, so it
/// needs neither process ids, which repeat between containers, nor a second look-up; the lock goes with the
/// process, however it ends.  An entry of that name that nobody has locked is what a dead process left, and
/// is removed by the next one that opens the output.  flock works between containers and users that share the
/// disk; where a file system refuses it (some network disks), outputs are not guarded against each other.
namespace edgeclip {

/// PARENT/.NAME.edgeclip-tmp (a hash instead of a name that would become too long).
std::filesystem::path temporary_of(const std::filesystem::path& place);

/// Whether a file's name is that of such an entry.
bool is_temporary(const std::filesystem::path& name);

/// PARENT/.NAME.edgeclip-old: where a replaced folder lies for a moment, on file systems that cannot
/// exchange.
std::filesystem::path parked_of(const std::filesystem::path& place);

/// PARENT/.NAME.edgeclip-partial: where a large output that is to replace another one is made step by step, and found again by the next run.
std::filesystem::path partial_of(const std::filesystem::path& place);

enum class EntryKind { kFile, kFolder };

/// Creates the parents of place that are missing; returns the topmost of them, or "".
std::filesystem::path create_parents(const std::filesystem::path& place);
/// Undoes create_parents(), as far as the folders are empty.  Asks for no memory.
void remove_created(const std::filesystem::path& place, const std::filesystem::path& topmost) noexcept;

/// Makes the temporary entry of place, new and empty, and locks it; what a dead process left of an earlier
/// one, and of an interrupted replacement, is swept or put back first.  Throws InvalidInput ("another process
/// is writing it") if a living one has it, MachineFault or InvalidInput if it cannot be made.
OwnedFd claim_output(const std::filesystem::path& place, EntryKind kind);

/// Locks the folder at path, waiting some seconds for whoever is about to let it go.  An fd below 0: the
/// folder is not there, or its file system has no locks.
OwnedFd lock_folder(const std::filesystem::path& path);

/// If a replacement of place was cut off between its two renames, the old folder gets its name back.  Cheap
/// where there is nothing to do.  Thread-safe.
void recover_parked(const std::filesystem::path& place);

/// Removes what dead processes left of outputs right below a folder.  Does nothing where there is no folder.
void sweep_leftovers(const std::filesystem::path& folder);

/// Holds the claim of an output that grows in place (the folder of a training run) until it goes.
class OutputClaim {
 public:
  /// Missing parents are created; those still empty go again.
  explicit OutputClaim(const std::filesystem::path& output);
  ~OutputClaim();
  OutputClaim(const OutputClaim&) = delete;
  OutputClaim& operator=(const OutputClaim&) = delete;

 private:
  std::filesystem::path place_, temporary_, created_;
  OwnedFd fd_;
  Unfinished unfinished_;
};

}  // namespace edgeclip
