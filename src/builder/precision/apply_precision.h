#pragma once

#include <string>
#include <vector>

#include "builder/passes/passes.h"
#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// Turns an optimized graph into one of the wanted precision; the passes that did it.
///   fp32  nothing
///   bf16, fp16  weights of products and tables of embeddings in 16 bits (narrow_weights)
///   int8  tables of embeddings in int8 (quantize_tables); layers are quantized already (quantize_graph(), or
///         the Q/DQ pairs of the model)
///   mixed  the same, and what is still float32 as bf16
/// exclude: parts of names of tables that do not become int8.
std::vector<PassReport> apply_precision(engine::Graph& graph, const std::string& precision,
                                        const std::vector<std::string>& exclude = {});

/// Throws InvalidInput unless it is one of those.  option: where it was given, for the message.
void check_precision(const std::string& precision, const std::string& option = "--precision");

}  // namespace edgeclip::builder
