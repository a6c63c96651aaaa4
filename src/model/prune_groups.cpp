#include "model/prune_groups.h"

#include "base/error.h"

namespace edgeclip {

const char* prune_kind_name(PruneKind kind) {
  switch (kind) {
    case PruneKind::neurons:
      return "neurons";
    case PruneKind::heads:
      return "heads";
    case PruneKind::channels:
      return "channels";
  }
  EDGECLIP_CHECK(false);
}

std::vector<PruneGroup> prune_groups(DualEncoder model, double tokens) {
  std::vector<PruneGroup> groups = model->vision_model->prune_groups("vision_model", tokens);
  const char* const head = model->visual_projection.mlp.is_empty() ? "visual_projection.weight" : "visual_projection.projection.weight";
  for (PruneGroup& group : groups)
    if (group.leaves_tower) group.slices.push_back({head, 1, 1, true, group.leaves_applied});
  for (PruneGroup& group : model->text_model->prune_groups("text_model", tokens)) groups.push_back(std::move(group));
  return groups;
}

std::vector<PruneBlock> prune_blocks(DualEncoder model) {
  std::vector<PruneBlock> blocks = model->vision_model->prune_blocks("vision_model");
  for (PruneBlock& block : model->text_model->prune_blocks("text_model")) blocks.push_back(std::move(block));
  return blocks;
}

}  // namespace edgeclip
