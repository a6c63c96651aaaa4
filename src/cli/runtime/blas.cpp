#include "cli/runtime/blas.h"

#include <dlfcn.h>

#include <filesystem>

#include "base/log.h"

namespace edgeclip {

std::string blas_path() {
  void* library = ::dlopen("libblas.so.3", RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) return {};
  Dl_info info{};
  const void* symbol = ::dlsym(library, "sgemm_");
  std::string path;
  if (symbol != nullptr && ::dladdr(symbol, &info) != 0 && info.dli_fname != nullptr) {
    std::error_code error;
    const auto resolved = std::filesystem::canonical(info.dli_fname, error);
    path = error ? info.dli_fname : resolved.string();
  }
  ::dlclose(library);
  return path;
}

bool is_reference_blas(const std::string& path) {
  // Debian's reference BLAS lies in .../blas/libblas.so.3.*, OpenBLAS in .../openblas-*/libblas.so.3.
  return path.find("/blas/libblas") != std::string::npos;
}

void warn_if_slow_blas() {
  const std::string path = blas_path();
  if (is_reference_blas(path))
    spdlog::warn(
        "{} is the slow reference BLAS: training takes about 80 times longer; apt-get install "
        "libopenblas0-openmp",
        path);
}

}  // namespace edgeclip
