#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "bundle/bundle.h"
#include "data/dataset/dataset.h"
#include "engine/runtime/session.h"

namespace edgeclip::engine {

/// A plan folder (docs/formats.md): plan.json, image.plan, text.plan, tokenizer/.
struct PlanInfo {
  std::filesystem::path directory;
  ModelCard card;
  std::string precision;     ///< "fp32" | "int8"
  std::vector<int> batches;  ///< batch profiles, ascending; the last is the largest that runs at once
  std::int64_t memory_pool_mb = 256;
  std::string model_hash;  ///< of both .plan files
  Json json;               ///< plan.json
};

/// Checks versions, sizes and checksums.  Throws InvalidInput.
PlanInfo open_plan_info(const std::filesystem::path& directory);

/// One tower's file: weights stay memory-mapped.  checked: its bytes were compared with a checksum already
/// (open_plan_info() does so), not again.
Graph read_plan_graph(const std::filesystem::path& file, bool checked = false);
void write_plan_graph(const std::filesystem::path& file, const Graph& graph);

struct BuildOptions {
  std::string bundle, out;
  bool overwrite = false;          ///< a plan at `out` may be replaced
  std::string precision = "fp32";  ///< "fp32" | "int8"
  std::vector<int> batches = {1, 4, 8};
  std::int64_t memory_pool_mb = 256;
  std::string calibration;  ///< int8 of an fp32 bundle: a prepared dataset or a calibration.json; an int8
                            ///< bundle needs none
  std::string image_root;   ///< of that dataset's images, where they were moved; else ""
};

/// Imports, optimizes, checks every batch profile against the memory pool, writes the plan; returns the
/// report (passes, arena bytes per profile, sizes).
Json build_plan(const BuildOptions& options);

/// A plan made ready: both towers.  encode_*: unit rows; batches larger than the largest profile are cut.
/// Thread-safe: contexts are kept in a pool, one per concurrent call.
class PlanRunner {
 public:
  explicit PlanRunner(const std::filesystem::path& directory);
  ~PlanRunner();
  const PlanInfo& info() const;
  std::shared_ptr<const Tokenizer> tokenizer() const;
  Tensor encode_images(const TensorView& pixels);  ///< (B, 3, H, W) float32 -> (B, D)
  Tensor encode_tokens(const TensorView& tokens);  ///< (B, T) int32 or int64 -> (B, D)

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace edgeclip::engine
