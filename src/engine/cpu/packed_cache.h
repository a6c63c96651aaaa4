#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/cpu/packed_file.h"
#include "engine/graph/graph.h"
#include "engine/runtime/log.h"

namespace edgeclip::engine {

/// The packed weights that processes of one plan share: NAME.plan.packed-LEVEL beside NAME.plan, so that machines
/// of several levels can share the folder.  What is there is mapped; what is not, or does not match (another plan
/// or version, damage), is packed by the caller and written anew, whole or not at all.  Nothing of it fails a
/// session: what stays in the way is one warning, and weights are packed into private memory as without a cache.
/// Processes take no turns: where several find nothing, one writes and the others keep what they packed.
/// Not thread-safe.
class PackedCache {
 public:
  /// source: of the graph's constants.
  PackedCache(std::shared_ptr<const ConstantSource> source, LogCallback log);

  const ConstantSource& source() const { return *source_; }

  /// Whether a packed form of the constant is there, as far as the table says: nobody may ever ask for its own bytes.
  bool has(const std::byte* constant) const;
  /// Null: it is to be packed.
  std::shared_ptr<const kernels::PackedWeights> find(const std::byte* constant, std::uint32_t form,
                                                     const kernels::PackedLayout& layout);

  struct Packed {
    const std::byte* constant;
    std::uint32_t form;
    std::shared_ptr<const kernels::PackedWeights> weights;
  };
  /// Writes the file if any of these weights is private and of the source, replaces all that it then holds by what
  /// is mapped from it, and says whether that was anything.
  bool keep(std::vector<Packed>& packed);

 private:
  /// Why what is there is of no use; "" otherwise.
  std::string open();
  /// Replaces what is wanted, sound in the file and lies the same there.
  bool map(std::vector<Packed>& packed, const std::function<bool(const Packed&)>& wanted) const;
  /// What went wrong; "" if nothing.
  std::string write(const std::vector<Packed>& packed);
  void say_not_kept(const std::string& reason);

  const std::shared_ptr<const ConstantSource> source_;
  const LogCallback log_;
  const PackedIdentity identity_;
  const std::filesystem::path plan_, path_;
  std::shared_ptr<const PackedFile> file_;  ///< none: not there, or of no use
  bool given_up_ = false;                   ///< it cannot be written
  int tries_ = 0;                           ///< that failed
};

}  // namespace edgeclip::engine
