#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/dual_encoder.h"

/// What a model costs: parameters, bytes, and the multiply-accumulates (MACs) of one pass.
///
/// MACs are those of matrix products: convolutions, linear layers (an adapter's branch too, unless it is
/// merged) and both products of attention (scores and mixing).  Elementwise work, norms, softmax, pooling and
/// table lookups are not counted, as usual.  They follow from the modules' real shapes (pruned layers,
/// adapters) and the input's size; a masked position costs what any other does.  They are those of the exported
/// network: training and `encode --checkpoint` leave out padding and, in the last block, the rows that nobody
/// reads.
namespace edgeclip {

/// A MAC is one multiplication and one addition.
inline constexpr std::int64_t kFlopsPerMac = 2;

/// A module with everything below it; attention and MLP of a block have their LayerNorm with them.
struct ModuleProfile {
  std::string name;  ///< as in the names of its parameters
  std::string
      kind;  ///< "embeddings", "attention", "mlp", "layer_norm", "stem", "bottleneck", "projection", ...
  std::int64_t parameters = 0, trainable = 0, buffers = 0;  ///< numbers
  std::int64_t macs = 0;                                    ///< of the whole batch
  std::int64_t bytes = 0;  ///< of parameters and buffers, in the types that the model holds them in
};

struct ModelProfile {
  int batch = 0, tokens = 0;
  std::vector<ModuleProfile> rows;  ///< in order of execution; every parameter belongs to one row
  ModuleProfile total;              ///< their sum; macs of images and captions together
  std::int64_t image_macs = 0;      ///< of `batch` images, projection included
  std::int64_t text_macs = 0;       ///< of `batch` captions of `tokens` tokens each, projection included
  /// Bytes of parameters and buffers by the type that the model holds them in, NumPy's name ("bfloat16" too).
  /// What an adapter set aside (merged weights, copied parameters) is not counted.
  std::map<std::string, std::int64_t> stored;
  /// Bytes that all parameters would take as "fp32", "fp16", "bf16" or "int8" (without its scales).
  std::map<std::string, std::int64_t> as_type;
};

/// One pass of `batch` images of the configuration's size, and one of `batch` captions of `tokens` tokens.
/// Throws InvalidInput unless batch >= 1 and tokens are 1 to the context length, or if the count is too
/// large.
ModelProfile profile_model(const DualEncoder& model, int batch, int tokens);

/// {"batch", "tokens", "parameters": {"total", "trainable"}, "macs": {"image", "text"}, "flops": likewise,
/// "bytes": {"stored": {type: bytes}, "fp32", "fp16", "bf16", "int8"}, "modules": [{"name", "kind",
/// "parameters", "trainable", "buffers", "macs", "flops", "bytes"}]}.
Json to_json(const ModelProfile& profile);

}  // namespace edgeclip
