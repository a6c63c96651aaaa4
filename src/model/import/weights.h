#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/tensor.h"

namespace edgeclip {

/// Tensors of one model, in whatever files they lie: safetensors, PyTorch's (torch_file.h), either of them in
/// shards named by an index.  Not thread-safe.
class Weights {
 public:
  /// path: a file, or a folder that holds one under its usual name.  Throws InvalidInput naming the file.
  static Weights open(const std::filesystem::path& path);

  const std::vector<std::string>& names() const { return names_; }
  bool contains(const std::string& name) const { return tensors_.count(name) != 0; }
  /// Throws InvalidInput naming file and tensor if it is not there or damaged.
  Tensor get(const std::string& name) const;
  /// Dimension d of a tensor that must have `rank` of them.  Throws InvalidInput naming file and tensor.
  int dim(const std::string& name, std::size_t rank, std::size_t d) const;
  /// How many different numbers n there are for which a name begins with prefix, n and a dot: the layers of a
  /// list, whether or not one of them lost a tensor.
  int count_numbered(const std::string& prefix) const;
  /// Of all files together, as they lie on the disk.
  std::uint64_t bytes() const { return bytes_; }
  /// Tensors beside the model in a training checkpoint (an optimizer's), which names() does not have.
  const std::vector<std::string>& left_out() const { return left_out_; }
  /// The file, for messages.
  const std::string& where() const { return where_; }

 private:
  using Get = std::function<Tensor()>;
  void add(const std::string& name, Get get);
  void add_file(const std::filesystem::path& file, const std::vector<std::string>* only = nullptr);
  void add_shards(const std::filesystem::path& index);
  void strip_wrappers();

  std::string where_;
  std::uint64_t bytes_ = 0;
  std::vector<std::string> names_, left_out_;
  std::map<std::string, Get> tensors_;
};

}  // namespace edgeclip
