#include "cli/workshop/deployed_latency.h"

#include <algorithm>

#include "base/remove_tree.h"
#include "builder/build_plan.h"
#include "dual_encoder/plan_encoder.h"
#include "export/export.h"
#include "retrieval/evaluate/tower_latency.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

/// A folder that is empty at first and gone afterwards.
struct Scratch {
  explicit Scratch(const fs::path& place) : path(place) {
    fs::create_directory(path);
  }
  ~Scratch() { remove_tree(path.c_str()); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const fs::path path;
};

}  // namespace

double deployed_latency_ms(const Checkpoint& checkpoint, int tokens, const fs::path& place) {
  const Scratch scratch(place);
  save_checkpoint(scratch.path / "checkpoint", checkpoint);
  ExportOptions exporting;
  exporting.checkpoint = scratch.path / "checkpoint";
  exporting.out = scratch.path / "bundle";
  export_bundle(exporting);
  builder::BuildOptions building;
  building.bundle = exporting.out;
  building.out = scratch.path / "plan";
  building.batches = {1};
  builder::build_plan(building);

  PlanEncoder encoder(building.out);
  const VisionConfig& vision = checkpoint.config.vision;
  const Tensor pixels(DType::f32, {1, 3, vision.image_height, vision.image_width});
  Tensor ids(DType::i32, {1, tokens});
  std::fill_n(ids.data<std::int32_t>(), tokens, checkpoint.config.text.bos_token_id);
  ids.data<std::int32_t>()[tokens - 1] = checkpoint.config.text.eos_token_id;
  return median_ms([&] { encoder.encode_images(pixels.view()); }) + median_ms([&] { encoder.encode_tokens(ids.view()); });
}

}  // namespace edgeclip
