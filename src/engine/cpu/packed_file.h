#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "kernels/gemm/packed_weights.h"

/// A file of packed weights beside the plan that they were made from.  It is made again at any time: nobody else
/// reads it, and no version of it but the one that wrote it (a test holds what the number of the panels stands for).
namespace edgeclip::engine {

/// Version of the file itself; what lies in the panels has its own (kernels::kPackedFormat).
inline constexpr std::uint32_t kPackedFileFormat = 1;

/// Which packed form of which constant: the same in every process that opens the plan.
struct PackedKey {
  std::uint64_t constant = 0;  ///< its offset among the plan's weights
  std::uint32_t form = 0;      ///< GemmWeights's
  friend auto operator<=>(const PackedKey&, const PackedKey&) = default;
};

struct PackedEntry {
  PackedKey key;
  std::shared_ptr<const kernels::PackedWeights> weights;
};

/// What a file has to be of.
struct PackedIdentity {
  std::string plan;  ///< ConstantSource::identity()
  kernels::CpuLevel level = kernels::CpuLevel::scalar;
};

/// A mapped file.  Thread-safe.  Its pages are those of the page cache, which all processes that map it share.
class PackedFile {
 public:
  /// Reads and checks header and table, and no data.  Throws InvalidInput with the reason if it is not there,
  /// damaged, or of another identity or version.
  PackedFile(const std::filesystem::path& path, const PackedIdentity& identity);
  ~PackedFile();

  /// Whether any form of the constant is there.
  bool has(std::uint64_t constant) const;
  /// The weights, which share the mapping, after a comparison of all of their bytes with their checksum; null if
  /// there are none of this key that lie as `like` does, with so many bytes of data.  Throws InvalidInput if the
  /// checksum differs.
  std::shared_ptr<const kernels::PackedWeights> read(const PackedKey& key, const kernels::PackedWeights& like,
                                                     std::size_t data_bytes) const;
  /// The same of all that is there and sound.
  std::vector<PackedEntry> read_all() const;

 private:
  friend void write_packed_file(const std::filesystem::path& path, const PackedIdentity& identity,
                                const std::vector<PackedEntry>& entries);
  struct Entry;
  std::shared_ptr<const kernels::PackedWeights> read(const Entry& entry) const;

  const MappedFile file_;
  const kernels::CpuLevel level_;
  std::vector<Entry> entries_;
};

/// Whole or not at all (base/atomic_file.h), and on the disk.  Throws InvalidInput, MachineFault.
void write_packed_file(const std::filesystem::path& path, const PackedIdentity& identity,
                       const std::vector<PackedEntry>& entries);

}  // namespace edgeclip::engine
