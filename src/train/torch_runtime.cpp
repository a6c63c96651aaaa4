#include "train/torch_runtime.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>

#include <cstdlib>

#include "base/error.h"
#include "base/log.h"
#include "base/threads.h"
#include "train/cpu_allocator.h"

namespace edgeclip {

namespace {

template <class Function>
Function* symbol(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_DEFAULT, name));
}

/// OpenBLAS's name of the best kernels that this CPU's instructions allow; nullptr: its choice is as good.
const char* better_core() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return "SkylakeX";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
  return nullptr;
}

/// Lets OpenBLAS choose again, told the core type.  Its choice is made when the library is loaded, before
/// main(), so the environment alone would come too late; the two functions are exported, and made for being
/// called in pairs.
void choose_blas_kernels() {
  const char* const better = better_core();
  if (better == nullptr || std::getenv("OPENBLAS_CORETYPE") != nullptr || blas_core() != "Prescott") return;
  auto* const quit = symbol<void()>("gotoblas_dynamic_quit");
  auto* const init = symbol<void()>("gotoblas_dynamic_init");
  if (quit == nullptr || init == nullptr) {
    spdlog::warn(
        "OpenBLAS does not know this CPU and multiplies slowly; set OPENBLAS_CORETYPE={} in the environment",
        better);
    return;
  }
  ::setenv("OPENBLAS_CORETYPE", better, /*overwrite=*/0);
  quit();
  init();
  spdlog::debug("OpenBLAS does not know this CPU: {} kernels instead of Prescott's", blas_core());
}

/// LibTorch seeds its generator from /dev/urandom when it is first asked for; what it throws without a
/// descriptor left does not tell the machine's fault from ours.
void seed_generator() {
  try {
    at::globalContext().defaultGenerator(at::kCPU);
  } catch (const c10::Error& e) {
    throw MachineFault(
        fmt::format("the random generator cannot be seeded: {}; raise the limit of open files (ulimit -n)",
                    e.what_without_backtrace()));
  }
}

}  // namespace

std::string blas_core() {
  auto* const corename = symbol<char*()>("openblas_get_corename");
  return corename == nullptr ? "" : corename();
}

void prepare_torch() {
  static const bool once = (choose_blas_kernels(), keep_tensor_memory(), seed_generator(), true);
  static_cast<void>(once);
  require_threads(thread_count() - 1);  // its pool (XNNPACK's) waits for ever for one that did not start
  at::set_num_threads(thread_count());
}

}  // namespace edgeclip
