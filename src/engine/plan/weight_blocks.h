#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>

#include "base/atomic_output.h"
#include "base/hash.h"
#include "base/mapped_file.h"
#include "engine/graph/graph.h"
#include "engine/plan/plan_file.h"

namespace edgeclip::engine {

/// Writes a weight section piece by piece and computes the checksum of each of its blocks on the way.
class WeightBlockWriter {
 public:
  WeightBlockWriter(AtomicFile& file, std::uint64_t block_bytes) : file_(file), block_bytes_(block_bytes) {}

  void write(const void* data, std::size_t bytes);
  /// The checksums, one behind the other, of all that was written.  To be called once.
  std::string table();

 private:
  void end_block();

  AtomicFile& file_;
  const std::uint64_t block_bytes_;
  std::uint64_t filled_ = 0;  ///< of the block begun
  std::unique_ptr<Hasher> hasher_;
  std::string table_;
};

/// The weight section of a mapped plan file: compares a block with its checksum when a constant in it is
/// first asked for.  Thread-safe.
class WeightBlocks final : public ConstantSource {
 public:
  /// header: the file's, checked as well as the checksum at its end.
  WeightBlocks(const MappedFile& file, std::filesystem::path path, const PlanHeader& header);

  void verify(const TensorView& constant, const std::string& what) const override;
  const std::filesystem::path& file() const override { return path_; }
  std::string identity() const override;
  std::optional<std::uint64_t> offset(const std::byte* constant) const override;

 private:
  void verify_block(std::uint64_t block, const std::string& what) const;

  const MappedFile file_;
  const std::filesystem::path path_;
  const std::byte* const weights_;
  const std::uint64_t bytes_, block_bytes_;
  /// By block; two threads may compare one at the same time.
  const std::unique_ptr<std::atomic<bool>[]> sound_;
};

}  // namespace edgeclip::engine
