#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// A graph that computes in float16 or bfloat16 computes in float32 instead: at least as exact, and there are
/// fast kernels for it.
///   input (16 bits) ─► ...  ⇒  input ─► Cast(float32) ─► ...
///   ... ─► output           ⇒  ... ─► Cast(16 bits) ─► output
/// Constants are widened (narrow_weights() takes those of products back), a Cast to 16 bits becomes one to
/// float32.  Does nothing in a graph that only holds 16-bit values without computing any.  Returns the number of values that were widened.
int widen_half(engine::Graph& graph);

}  // namespace edgeclip::builder
