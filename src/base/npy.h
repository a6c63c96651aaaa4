#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/tensor.h"

/// NumPy's .npy format (versions 1 to 3, C order, little endian):
/// numpy.org/doc/stable/reference/generated/numpy.lib.format.html
///
/// NumPy itself has no bfloat16.  Its arrays are those of the ml_dtypes package, which are saved as plain
/// elements of two bytes, '<V2' ('|V2' is read too): after numpy.load, `.view(ml_dtypes.bfloat16)`.
namespace edgeclip {

class AtomicFile;

/// Reads an array of any numeric type.  The header is not trusted: sizes are checked against the file's
/// before anything is allocated.  Throws InvalidInput naming the file and what is wrong.
Tensor read_npy(const std::filesystem::path& path);

/// Memory-maps instead of reading: for galleries and token tables larger than memory.
Tensor map_npy(const std::filesystem::path& path);

void write_npy(const std::filesystem::path& path, const TensorView& tensor);
/// Its header alone: the elements follow, row by row, from the caller.
void write_npy_head(AtomicFile& out, DType dtype, const Shape& shape);
/// Into a file that the caller commits.
void write_npy(AtomicFile& out, const TensorView& tensor);
inline void write_npy(const std::filesystem::path& path, const Tensor& tensor) {
  write_npy(path, tensor.view());
}

/// A one-dimensional array of Unicode strings (NumPy's '<U').
void write_npy_strings(const std::filesystem::path& path, const std::vector<std::string>& strings);

}  // namespace edgeclip
