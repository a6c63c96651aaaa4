#pragma once

#include <atomic>

namespace edgeclip {

/// The temporary entry of an output that is being made, known to remove_unfinished(): for a process that has
/// to end where no destructor runs (base/out_of_memory.h).
class Unfinished {
 public:
  Unfinished() = default;
  ~Unfinished() { withdraw(); }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;

  /// path: lives until withdraw().  Of more than some dozens at a time the later ones are not known, which
  /// are files in a folder that is.
  void announce(const char* path) noexcept;
  /// Before the entry gets its final name or is removed.  Does not return if remove_unfinished() has it: the
  /// process ends.
  void withdraw() noexcept;

 private:
  std::atomic<const char*>* slot_ = nullptr;
  const char* path_ = nullptr;
};

/// Removes all that are announced.  Async-signal-safe; only for a process that ends right afterwards.
void remove_unfinished() noexcept;

}  // namespace edgeclip
