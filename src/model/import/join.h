#pragma once

#include <string>
#include <vector>

#include "model/import/import.h"
#include "model/import/import_part.h"

namespace edgeclip {

/// The files a model is imported from: one that gives both towers, or two.
class ImportParts {
 public:
  /// Opens them as the options name them.  Throws InvalidInput if a part lacks the tower that is asked of it.
  explicit ImportParts(const ImportOptions& options);

  ImportPart& image() { return parts_.front(); }
  ImportPart& text() { return parts_.back(); }
  const std::vector<ImportPart>& all() const { return parts_; }
  std::uint64_t bytes() const;

 private:
  std::vector<ImportPart> parts_;
};

/// The towers' configurations in one, and in each part what it gives: the heads and the scale come from a
/// source with both towers, whose heads fit the options.  Throws InvalidInput naming file and key for sizes
/// that are none, and for a pooling that a tower does not have.
ModelConfig join_parts(ImportParts& parts, const ImportOptions& options);

/// The image tower's input size and transform: the model's own, then what the image processor's file beside
/// it says, then what the options ask.  Returns that file's name, or "".  Throws InvalidInput naming both
/// files if they disagree.
std::string settle_images(const ImportPart& part, const ImportOptions& options, VisionConfig& vision,
                          ImageTransform& image);

}  // namespace edgeclip
