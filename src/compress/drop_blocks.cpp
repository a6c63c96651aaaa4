#include "compress/drop_blocks.h"

#include <cmath>

#include "base/error.h"
#include "base/progress.h"
#include "base/signals.h"

namespace edgeclip {

namespace {

/// How many can go one after the other: of a list whose first block is among them all but one.
int most_blocks(const DualEncoder& model) {
  int most = 0;
  for (const PruneBlock& block : prune_blocks(model)) most += block.index > 0 ? 1 : 0;
  return most;
}

}  // namespace

std::vector<DroppedBlock> drop_blocks(Checkpoint& checkpoint, int count, const std::function<double(const Checkpoint&)>& loss,
                                      const std::string& option) {
  if (const int most = most_blocks(checkpoint.model); count > most)
    invalid_input("{}: {} are to go, and {} can: a transformer keeps one block, and so does each stage of a ResNet", option, count, most);
  std::vector<DroppedBlock> dropped;
  Progress progress("drop blocks", count, "blocks");
  for (; count > 0; --count) {
    const std::vector<PruneBlock> blocks = prune_blocks(checkpoint.model);
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
