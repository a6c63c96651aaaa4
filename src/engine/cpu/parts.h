#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "engine/backend.h"

namespace edgeclip::engine {

struct PrepareRequest;

/// How a node's work falls apart: along the first `leading` dimensions of output 0, of which any part can be
/// computed by itself.
struct Parts {
  std::size_t leading = 0;
  /// By input and by output, for each of the leading dimensions: which of its own dimensions runs along with
  /// it; kWhole: it is the same for all parts.  A dimension of 1 is the same for all as well.
  std::vector<std::vector<int>> inputs, outputs;
  static constexpr int kWhole = -1;
};

/// Every dimension of the output by itself, inputs broadcast as NumPy does.
Parts elementwise_parts(const Inputs& inputs, const Outputs& outputs);

/// The first `leading` dimensions of the operands that are listed; the others are the same for all parts.
Parts leading_parts(const Inputs& inputs, const Outputs& outputs, std::size_t leading,
                    const std::vector<std::size_t>& inputs_along);

/// The node's reference kernel, over parts of the data divided among the threads: equal to the whole to the
/// bit.
std::unique_ptr<Kernel> bind_in_parts(const Node& node, const BindRequest& request, const Parts& parts);

/// Attention by its reference kernel, samples and heads divided.
std::unique_ptr<PreparedNode> prepare_attention(const PrepareRequest& request);

}  // namespace edgeclip::engine
