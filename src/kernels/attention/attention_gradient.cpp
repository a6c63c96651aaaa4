#include "kernels/attention/attention_gradient.h"

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "kernels/attention/attention_gradient_task.h"

namespace edgeclip::kernels {

namespace {

AttentionGradientForm gradient_form_at(CpuLevel level) {
#if defined(__x86_64__)
  const std::string form = attention_form(level);
  if (form == "avx512") return avx512::attention_gradient_task;
  if (form == "avx2") return avx2::attention_gradient_task;
#endif
  static_cast<void>(level);
  return portable::attention_gradient_task;
}

/// In floats; a multiple of a cache line, and one more, so that tasks of several threads meet in none.
std::int64_t gradient_scratch_step(const Attention& p) { return AttentionGradientScratch::floats(p) + 16; }

}  // namespace

std::size_t attention_gradient_scratch_bytes(const Attention& p, int threads) {
  return static_cast<std::size_t>(gradient_scratch_step(p)) * sizeof(float) *
         static_cast<std::size_t>(std::max(threads, 1));
}

void attention_gradient(const AttentionGradient& gradient, Executor& executor, std::byte* scratch,
                        CpuLevel level) {
  const Attention& p = gradient.of;
  EDGECLIP_CHECK(attention_takes(p.size) && p.keys > 0, "attention over {} keys of size {}", p.keys, p.size);
  if (p.batch <= 0 || p.heads <= 0) return;
  const AttentionGradientForm form = gradient_form_at(level);
  const std::int64_t tasks = p.batch * p.heads;
  std::atomic<std::int64_t> next{0};  // a body per thread, which owns a work space: as in attend()
  executor.run(std::min<std::int64_t>(executor.threads(), tasks), [&](std::int64_t worker) {
    const AttentionGradientScratch space(
        p, reinterpret_cast<float*>(scratch) + worker * gradient_scratch_step(p));
    for (std::int64_t t = next++; t < tasks; t = next++) form(gradient, t / p.heads, t % p.heads, space);
  });
}

}  // namespace edgeclip::kernels
