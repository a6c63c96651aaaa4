#pragma once

#include <string>

namespace edgeclip {

/// The file behind libblas.so.3 as this process would use it, links resolved ("/usr/lib/.../libopenblas...");
/// empty if there is none.  Loads the library, if it is not loaded yet.
std::string blas_path();

/// True if that file is the reference BLAS, about 80 times slower than OpenBLAS in training.
bool is_reference_blas(const std::string& path);

/// One warning with the remedy if the BLAS in use is the reference one.
void warn_if_slow_blas();

}  // namespace edgeclip
