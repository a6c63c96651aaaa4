#include "train/arithmetic.h"

#include <ATen/Version.h>
#include <torch/version.h>

#include "base/threads.h"
#include "train/torch_runtime.h"

namespace edgeclip {

namespace {

/// LibTorch 1.13 says it in the text of its configuration alone.
std::string cpu_capability() {
  const std::string config = at::show_config(), label = "CPU capability usage: ";
  const std::size_t at = config.find(label);
  if (at == std::string::npos) return "";
  const std::size_t begin = at + label.size();
  return config.substr(begin, config.find_first_of("\r\n", begin) - begin);
}

std::string text_of(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

}  // namespace

Json arithmetic_here() {
  return {{"threads", thread_count()}, {"cpu", cpu_capability()}, {"blas", blas_core()}, {"libtorch", TORCH_VERSION}};
}

std::string arithmetic_differences(const Json& before, const Json& now) {
  std::string said;
  if (!before.is_object()) return said;
  for (const auto& [key, value] : now.items()) {
    const auto was = before.find(key);
    if (was == before.end() || *was == value) continue;
    said += (said.empty() ? "" : ", ") + key + " " + text_of(value) + " instead of " + text_of(*was);
  }
  return said;
}

}  // namespace edgeclip
