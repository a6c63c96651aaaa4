#include <algorithm>

#include "engine/graph/symbolic_rules.h"

/// Shapes of what is computed element by element.
namespace edgeclip::engine {

void same_shape(SymbolicNode& n) {
  for (std::size_t i = 0; i < n.outputs.size(); ++i) n.give(i, n.dims(0));
}

/// y and the mask.  In training mode, which is refused, there is no shape: a known one means that y is x.
void shape_dropout(SymbolicNode& n) {
  const Tensor* training = n.has(2) && n.inputs[2]->data ? &*n.inputs[2]->data : nullptr;
  if (n.has(2) && (!training || training->dtype() != DType::boolean || training->elements() != 1 ||
                   *training->data<bool>()))
    return;
  same_shape(n);
}

/// y, and its scale and zero point.
void shape_dynamic_quantize(SymbolicNode& n) {
  n.give(0, n.dims(0));
  n.give(1, {});
  n.give(2, {});
}

/// A scale for each row.
void shape_quantize_rows(SymbolicNode& n) {
  SymbolicShape rows = n.dims(0);
  n.give(0, rows);
  if (rows.empty()) return;
  rows.back() = 1;
  n.give(1, std::move(rows));
}

/// And a zero point.
void shape_affine_quantize_rows(SymbolicNode& n) {
  shape_quantize_rows(n);
  SymbolicShape rows = n.dims(0);
  if (rows.empty()) return;
  rows.back() = 1;
  n.give(2, std::move(rows));
}

void shape_layer_norm_quantize(SymbolicNode& n) {
  shape_quantize_rows(n);
  n.give(2, n.dims(0));
}

/// NumPy's broadcasting of all inputs.
void shape_elementwise(SymbolicNode& n) {
  SymbolicShape shape;
  for (std::size_t i = 0; i < n.inputs.size(); ++i) {
    if (!n.has(i)) continue;
    const SymbolicShape& other = n.dims(i);
    if (other.size() > shape.size()) shape.insert(shape.begin(), other.size() - shape.size(), 1);
    for (std::size_t d = 0; d < other.size(); ++d) {
      SymbolicDim& dim = shape[shape.size() - other.size() + d];
      dim = broadcast_of(dim, other[d]);
    }
  }
  n.give(0, std::move(shape));
}

}  // namespace edgeclip::engine
