#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/attention/attention.h"

/// Between attention.cpp and the forms of its inside, one per instruction set.
namespace edgeclip::kernels {

/// Query rows of one head.
struct AttentionTask {
  std::int64_t b = 0, h = 0;
  std::int64_t begin = 0, end = 0;  ///< of the query rows
};

/// Rows of keys are packed in pieces of this many elements, so that the distance between rows is a constant.
inline constexpr std::int64_t kKeyPiece = 64;
/// Query rows that are computed side by side at most: three vectors of them, one row per lane.
inline constexpr std::int64_t kMostQueries = 48;

/// Work space of one task, each part 64-byte aligned.
struct AttentionScratch {
  float* keys;     ///< [ceil(Dh / kKeyPiece)][Tk][kKeyPiece]
  float* values;   ///< [Tk][Dh]
  float* queries;  ///< [Dh][queries side by side]: transposed and scaled
  float* weights;  ///< [Tk][queries side by side]: scores, then their exponentials

  static std::int64_t floats(const Attention& p) {
    return key_floats(p) + p.keys * p.size + kMostQueries * (p.size + p.keys);
  }
  AttentionScratch(const Attention& p, float* at)
      : keys(at),
        values(keys + key_floats(p)),
        queries(values + p.keys * p.size),
        weights(queries + kMostQueries * p.size) {}

 private:
  static std::int64_t key_floats(const Attention& p) {
    return (p.size + kKeyPiece - 1) / kKeyPiece * kKeyPiece * p.keys;
  }
};

/// Computes the task's rows of y.
using AttentionForm = void (*)(const Attention&, const AttentionTask&, const AttentionScratch&);

namespace avx2 {
void attention_task(const Attention& problem, const AttentionTask& task, const AttentionScratch& scratch);
}
namespace avx512 {
void attention_task(const Attention& problem, const AttentionTask& task, const AttentionScratch& scratch);
}
namespace portable {
void attention_task(const Attention& problem, const AttentionTask& task, const AttentionScratch& scratch);
}

}  // namespace edgeclip::kernels
