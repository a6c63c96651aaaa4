#pragma once

#include <vector>

#include "engine/cpu/cpu_node.h"
#include "engine/cpu/divided_call.h"
#include "engine/ops/window.h"

namespace edgeclip::engine {

/// A part of what a window slides over, computed by itself: a window of the same kind over images, rows or
/// pixels of its own, which lie in one piece.
struct WindowSlice {
  dnnl::memory::dims x, y;           ///< (N, C, spatial...) of the part
  dnnl::memory::dims before, after;  ///< its own padding; negative behind it: rows that are not reached
  std::int64_t x_at = 0, y_at = 0;   ///< elements in front of it

  /// Whether one primitive serves both.
  bool same_form(const WindowSlice& other) const {
    return x == other.x && y == other.y && before == other.before && after == other.after;
  }
};

/// x (N, C, spatial...) and y of `request`'s first input and output, which a window slides over (Conv,
/// pools). work: as divided() has it.  Whole images where they are enough for the threads; else, where
/// channels come last, rows of the first spatial dimension, or pixels where the window is a single one.
std::vector<WindowSlice> window_slices(const std::vector<WindowDim>& window, const BindRequest& request,
                                       std::int64_t work);

/// The same of a transposed convolution: the window slides over y.
std::vector<WindowSlice> transposed_slices(const std::vector<WindowDim>& window, const BindRequest& request,
                                           std::int64_t work);

/// Makes a primitive for each slice, one for all of one form, and adds them to `call`.  describe(slice): its
/// primitive descriptor.  added(slice, pd): binds arguments.
template <class Primitive, class Describe, class Added>
void add_slices(DividedCall& call, const std::vector<WindowSlice>& slices, const Describe& describe,
                const Added& added) {
  using PrimitiveDesc = decltype(describe(slices.front()));
  struct Made {
    const WindowSlice* slice;
    PrimitiveDesc pd;
    Primitive primitive;
  };
  std::vector<Made> made;
  for (const WindowSlice& slice : slices) {
    auto it =
        std::find_if(made.begin(), made.end(), [&](const Made& m) { return m.slice->same_form(slice); });
    if (it == made.end()) {
      const PrimitiveDesc pd = describe(slice);
      it = made.insert(made.end(), Made{&slice, pd, Primitive(pd)});
    }
    call.add(it->primitive, it->pd);
    added(slice, it->pd);
  }
}

}  // namespace edgeclip::engine
