#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <initializer_list>
#include <string>

#include "model/config/macs.h"
#include "model/transformer.h"

/// How a network says what it costs (profile.h): row by row, each beside its modules.
namespace edgeclip {

struct ModelProfile;

/// Collects the rows.  Refuses (InvalidInput) more MACs than a reader of JSON can count.
class Profiler {
 public:
  explicit Profiler(ModelProfile& profile) : profile_(profile) {}

  /// A row: modules with everything below them, and the macs of the whole batch.
  void add(std::string name, const char* kind, std::int64_t macs,
           std::initializer_list<const torch::nn::Module*> modules);
  /// A tensor more in the last row.
  void hold(const torch::Tensor& tensor, bool is_buffer = false);

 private:
  ModelProfile& profile_;
};

/// Of `rows` input vectors.
std::int64_t linear_macs(const Linear& layer, std::int64_t rows);
/// A row for attention (with the matching of tokens that are merged) and one for the MLP of each block.  name: of the blocks ("vision_model.encoder").
void profile_blocks(Profiler& profiler, const std::string& name, const Transformer& blocks,
                    std::int64_t batch, std::int64_t tokens);

}  // namespace edgeclip
