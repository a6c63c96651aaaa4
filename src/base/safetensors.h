#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "base/tensor.h"

/// The safetensors format: github.com/huggingface/safetensors ("8 bytes header size, JSON header, raw
/// tensors").
namespace edgeclip {

/// A memory-mapped safetensors file.  The header is not trusted: every offset, shape and size is checked
/// against the file's before use, overlaps and holes are refused.  Throws InvalidInput naming the file and
/// the tensor. Thread-safe to read; tensors keep the mapping alive.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::vector<std::string>& names() const { return names_; }  ///< in the order of their data
  bool contains(const std::string& name) const { return tensors_.count(name) != 0; }
  /// Throws InvalidInput naming file and tensor if it is not there.
  Tensor get(const std::string& name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::string& file() const { return file_; }

 private:
  std::string file_;
  std::vector<std::string> names_;
  std::map<std::string, Tensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// Writes through a temporary name.  Data starts at a multiple of 8 bytes, each tensor follows the last.
void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace edgeclip
