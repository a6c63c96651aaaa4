#pragma once

#include <string>
#include <vector>

#include "model/dual_encoder.h"
#include "model/import/import.h"
#include "model/import/import_part.h"

namespace edgeclip {

/// What became of a part's tensors, by their names in its file.
struct LoadedWeights {
  std::vector<std::string> unused;      ///< belong to no part of the model
  std::vector<std::string> ignored;     ///< left out on purpose
  std::vector<std::string> not_finite;  ///< hold values that are not finite; loaded
  std::vector<std::string> counters;    ///< BatchNorms' num_batches_tracked that the file lacks, in our names
};

/// Copies a part's tensors into the parameters and buffers that it gives, in float32.  Learned positions of
/// another grid are resized as options say (position_embedding.h), if they ask for another image size. Throws
/// InvalidInput naming file and tensor: missing, twice, of another shape or type.
LoadedWeights load_part(DualEncoder& model, const ImportPart& part, const ImportOptions& options);

}  // namespace edgeclip
