#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "base/owned_fd.h"

namespace edgeclip {

/// A file of records that grows at its end: each with its length and checksum (docs/formats.md), so that what was whole when a process
/// was killed is found again, and what was cut off is told from it.  A record is in the file once append() has returned; sync() brings
/// it to the disk.  Who opens it must be the only one that writes it (base/output_claim.h).  Not thread-safe.
class AppendLog {
 public:
  /// Creates the file, or goes on behind its last whole record: what lies behind that is cut off.  given: each whole record, in
  /// order.  Throws InvalidInput or MachineFault if it cannot be opened, read or written.
  AppendLog(const std::filesystem::path& path, const std::function<void(std::string_view)>& given);

  /// All or nothing: what a full disk left of it is taken back.  Throws MachineFault.
  void append(std::string_view record);
  /// Throws MachineFault.
  void sync();
  /// The records of such a file's bytes, up to the last whole one; returns where that ends.
  static std::size_t each(std::string_view bytes, const std::function<void(std::string_view)>& given);
  /// Of all records.
  std::int64_t bytes() const { return bytes_; }

 private:
  void cut(std::int64_t length);

  std::filesystem::path path_;
  OwnedFd fd_;
  std::int64_t bytes_ = 0;
};

}  // namespace edgeclip
