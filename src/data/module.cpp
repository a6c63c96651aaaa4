#include "data/module.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <vector>

#include "base/error.h"
#include "base/out_of_memory.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

/// Where the module may lie, best first.
std::vector<fs::path> candidates_of(const std::string& file) {
  std::vector<fs::path> candidates;
  if (const char* named = ::secure_getenv("EDGECLIP_MODULE_PATH"); named && *named)
    candidates.push_back(fs::path(named) / file);
  std::error_code error;
  // Beside the shared library that this code is part of, wherever it was installed.  Of a program this is
  // argv[0], which may be relative to anything: nothing is loaded from there.
  if (Dl_info self;
      ::dladdr(reinterpret_cast<const void*>(&load_module), &self) != 0 && self.dli_fname != nullptr)
    if (const fs::path library = self.dli_fname; library.is_absolute())
      candidates.push_back(library.parent_path() / "edgeclip" / file);
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    // Beside bin/, or beside libexec/edgeclip/.
    const fs::path above = program.parent_path().parent_path();
    for (const fs::path& lib : {above / "lib", above.parent_path() / "lib"}) {
      candidates.push_back(lib / "edgeclip" / file);
      candidates.push_back(lib / file);
    }
  }
#ifdef EDGECLIP_MODULE_DIR
  candidates.push_back(fs::path(EDGECLIP_MODULE_DIR) / file);
#endif
  return candidates;
}

void* open_library(const fs::path& path, ModuleScope scope) {
  if (scope == ModuleScope::kShared) return ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  // dlmopen into the program's own namespace is dlopen, but for AddressSanitizer, which refuses RTLD_DEEPBIND
  // in dlopen: its reason (two allocators) does not hold here, as the sanitized module itself names the
  // sanitizer's library first.
  return ::dlmopen(LM_ID_BASE, path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
}

}  // namespace

void* load_module(const std::string& name, const char* symbol, ModuleScope scope,
                  const std::string& needed_for, const std::string& packages) {
  // More than what any of them writes to; dlopen() does not say that memory is what it lacks.
  constexpr std::size_t kMostData = std::size_t{16} << 20;
  const std::string file = "libedgeclip_" + name + ".so";
  std::string reason = "it was not found";
  for (const auto& path : candidates_of(file)) {
    std::error_code error;
    if (!fs::exists(path, error)) continue;
    void* library = open_library(path, scope);
    if (library)
      if (void* found = ::dlsym(library, symbol)) return found;
    if (!library && !can_have_memory(kMostData)) throw std::bad_alloc();
    const char* text = library ? "is of another version" : ::dlerror();
    reason = fmt::format("{}: {}", path.string(), text ? text : "cannot be loaded");
    std::replace(reason.begin(), reason.end(), '\n', ' ');
  }
  throw MachineFault(
      fmt::format("{}: needs the {} module {}: {}; install it ({}) or set EDGECLIP_MODULE_PATH to its folder",
                  needed_for, name, file, reason, packages));
}

}  // namespace edgeclip
