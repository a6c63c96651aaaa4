#pragma once

#include <string>

#include "data/dataset/dataset.h"
#include "model/checkpoint.h"
#include "train/features.h"
#include "train/losses/teacher_memory.h"

namespace edgeclip {

/// The model that distillation learns from: frozen, in evaluation mode, an adapter merged, saved with nothing.  All losses
/// of distillation share one.  Not thread-safe.
class Teacher {
 public:
  /// Loads the checkpoint at path.  where: start of messages.  Throws InvalidInput unless it sees images as the student
  /// does, and reads the same tokens in the captions of dataset.
  Teacher(const std::string& path, const Checkpoint& student, const Dataset& dataset, const std::string& where);

  /// From here on see() has at hand what plan keeps (remember_teacher()).
  void remember(const TeacherMemoryPlan& plan, const Dataset& dataset, const ImageTransform& transform, const LoaderOptions& loading,
                const torch::Device& device, ComputeType compute, Ranks& ranks);
  /// Moves to the inputs' device if need be.  Rows of captions and images that are remembered are not computed again.
  TeacherOutput see(const Inputs& inputs, ComputeType compute);
  const ModelConfig& config() const { return checkpoint_.config; }
  /// weights_hash() of the checkpoint as it was loaded.
  const std::string& hash() const { return hash_; }

 private:
  Checkpoint checkpoint_;
  std::string hash_;
  TeacherMemory memory_;
};

}  // namespace edgeclip
