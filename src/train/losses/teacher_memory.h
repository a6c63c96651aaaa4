#pragma once

#include <cstdint>

#include "data/dataset/dataset.h"
#include "data/dataset/loader_options.h"
#include "model/checkpoint.h"
#include "train/ranks.h"

namespace edgeclip {

/// What is kept of what a teacher says: that of captions and images which a training shows it again and again as the dataset has them.
struct TeacherMemoryPlan {
  bool captions = false, images = false;
  bool hidden = false;     ///< states before the projections too
  std::int64_t bytes = 0;  ///< of all that is kept

  bool keeps() const { return captions || images; }
};

/// rows: pairs that the training draws.  Kept is what it draws twice or more in the mean and nothing changes (images: augment changes
/// none; captions: no token of them, whatever flips do to some), captions first, up to cache_mb.  teacher: whose widths these are.
TeacherMemoryPlan teacher_memory_plan(const Dataset& dataset, const LoaderOptions& loading, const ModelConfig& teacher, std::int64_t rows,
                                      bool hidden, int cache_mb);

/// Rows of one tower by their index in the dataset.
struct TeacherRows {
  torch::Tensor place;   ///< (indices of the dataset) int64: the row, or -1; undefined: nothing is kept
  torch::Tensor unit;    ///< (rows, D') float32
  torch::Tensor hidden;  ///< (rows, W') in the type it was computed in; or undefined
};

struct TeacherMemory {
  TeacherRows captions, images;
};

/// Computes them once, over the training split in the dataset's order and in batches of its own, which ranks share: so what is said of
/// a caption depends neither on the batches that it comes in nor on when the training began or went on.  All ranks call it.  teacher:
/// where it computes, in evaluation mode.  Throws Interrupted.
TeacherMemory remember_teacher(DualEncoder& teacher, ComputeType compute, const TeacherMemoryPlan& plan, const Dataset& dataset,
                               const ImageTransform& transform, const LoaderOptions& loading, Ranks& ranks);

}  // namespace edgeclip
