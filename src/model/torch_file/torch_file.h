#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/tensor.h"

namespace edgeclip {

/// The tensors of a file that PyTorch wrote: torch.save's zip (1.6 and later) and the form before it, and
/// TorchScript archives.  The pickle inside is read, never executed (pickle.h); sizes, strides and offsets
/// are checked against the storage before memory is asked for.  Not thread-safe.
class TorchFile {
 public:
  /// Throws InvalidInput naming the file, and the name that is refused.
  explicit TorchFile(const std::filesystem::path& path);
  ~TorchFile();
  TorchFile(TorchFile&&) noexcept;

  /// Dotted names of all tensors, in the order of the file: keys of dicts ("state_dict.visual.proj"),
  /// attributes of objects, positions in lists.
  const std::vector<std::string>& names() const;
  /// Dense, row-major, of the file's type.  Throws InvalidInput naming file and tensor if its storage is too
  /// short.
  Tensor get(const std::string& name) const;
  const std::string& file() const;

  /// Whether the file begins like one of PyTorch's.
  static bool fits(const std::filesystem::path& path);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace edgeclip
