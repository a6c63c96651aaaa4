#include "compress/drop_blocks.h"

#include <cmath>

#include "base/error.h"
#include "base/progress.h"
#include "base/signals.h"

namespace edgeclip {

std::vector<DroppedBlock> drop_blocks(Checkpoint& checkpoint, int count, const std::function<double(const Checkpoint&)>& loss,
                                      const std::string& option) {
  std::vector<DroppedBlock> dropped;
  Progress progress("drop blocks", count, "blocks");
  for (; count > 0; --count) {
    const std::vector<PruneBlock> blocks = prune_blocks(checkpoint.model);
    if (blocks.empty())
      invalid_input("{}: {} blocks more were to go, and none can: a transformer keeps one, a ResNet's stage its first", option, count);
    const PruneBlock* least = nullptr;
    double lowest = 0;
    for (const PruneBlock& block : blocks) {
      throw_if_interrupted();
      const double without = loss(without_block(checkpoint, block));
      if (std::isfinite(without) && (least == nullptr || without <= lowest)) least = &block, lowest = without;
    }
    if (least == nullptr)
      invalid_input("{}: the loss is no number on the calibration batches, whichever block goes; look for weights of the checkpoint "
                    "that are not finite", option);
    dropped.push_back({least->name(), lowest});
    checkpoint = without_block(checkpoint, *least);
    progress.advance();
  }
  return dropped;
}

}  // namespace edgeclip
