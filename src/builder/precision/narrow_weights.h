#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// Weights of products and tables of embeddings in 16 bits; everything else stays float32.
///   FusedMatMul, FusedConv: constant float32 weights ⇒ the same in `dtype`
///   Conv                                             ⇒ FusedConv with weights in `dtype`
///   MatMul by a constant (K, N)                      ⇒ FusedMatMul with weights in `dtype`
///   Gather from a constant table, axis 0             ⇒ Gather from the table in `dtype` ─► Cast(float32)
/// dtype: bf16, where a CPU that multiplies bfloat16 rounds the other operand too; or f16, which is storage.
/// A tensor with a value that f16 cannot hold (beyond 65504) stays as it is.  Returns the number of tensors.
int narrow_weights(engine::Graph& graph, DType dtype);

}  // namespace edgeclip::builder
