#include "kernels/attention/attention.h"

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "kernels/attention/attention_task.h"

namespace edgeclip::kernels {

namespace {

struct NamedForm {
  AttentionForm run;
  const char* name;
};

NamedForm form_at(CpuLevel level) {
#if defined(__x86_64__)
  switch (level) {
    case CpuLevel::avx2:
    case CpuLevel::avx_vnni: return {avx2::attention_task, "avx2"};
    case CpuLevel::avx512:
    case CpuLevel::avx512_vnni:
    case CpuLevel::avx512_bf16:
    case CpuLevel::amx: return {avx512::attention_task, "avx512"};
    default: break;
  }
#endif
  return {portable::attention_task, "portable"};
}

/// Query rows of a task: all of a head, whose keys are packed once then, unless that leaves threads without
/// work.
std::int64_t rows_per_task(const Attention& p, int threads) {
  constexpr std::int64_t kTasksPerThread = 3;
  const std::int64_t heads = p.batch * p.heads, wanted = threads > 1 ? kTasksPerThread * threads : 1;
  const std::int64_t parts = std::max<std::int64_t>(1, (wanted + heads - 1) / heads);
  const std::int64_t rows = (p.queries + parts - 1) / parts;
  return (rows + kMostQueries - 1) / kMostQueries * kMostQueries;
}

/// In floats; a multiple of a cache line, and one more, so that tasks of several threads meet in none.
std::int64_t scratch_step(const Attention& p) { return AttentionScratch::floats(p) + 16; }

}  // namespace

std::size_t attention_scratch_bytes(const Attention& p, int threads) {
  return static_cast<std::size_t>(scratch_step(p)) * sizeof(float) * static_cast<std::size_t>(std::max(threads, 1));
}

void attend(const Attention& p, Executor& executor, std::byte* scratch, CpuLevel level) {
  EDGECLIP_CHECK(attention_takes(p.size) && p.keys > 0, "attention over {} keys of size {}", p.keys, p.size);
  if (p.batch <= 0 || p.heads <= 0 || p.queries <= 0) return;
  const AttentionForm form = form_at(level).run;
  const int threads = executor.threads();
  const std::int64_t rows = rows_per_task(p, threads), parts = (p.queries + rows - 1) / rows,
                     tasks = p.batch * p.heads * parts;
  // A body per thread, which owns a work space and takes tasks until none is left: whoever is held up in one
  // delays no other.
  std::atomic<std::int64_t> next{0};
  executor.run(std::min<std::int64_t>(threads, tasks), [&](std::int64_t worker) {
    const AttentionScratch space(p, reinterpret_cast<float*>(scratch) + worker * scratch_step(p));
    for (std::int64_t t = next++; t < tasks; t = next++) {
      const std::int64_t head = t / parts, begin = t % parts * rows;
      form(p, {head / p.heads, head % p.heads, begin, std::min(begin + rows, p.queries)}, space);
    }
  });
}

std::string attention_form(CpuLevel level) { return form_at(level).name; }

}  // namespace edgeclip::kernels
