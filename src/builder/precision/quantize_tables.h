#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bundle/activation_scale.h"
#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// ids ─► Gather(table, axis 0) ─► y      ⇒  QuantGather(table as int8, a scale per row; ids)
/// table: a constant (V, D) of float32 that nobody else reads, of `smallest` elements or more.  Every row is
/// symmetric, q = round(x / (max |x| / 127)): an error of at most max |x| / 254 of its row.  Without this the
/// token table alone, a quarter of CLIP's text tower in float32, is as large as all of its int8 weights.
/// Refuses another axis, tables with other readers or that are not finite.  Returns the number of tables.
/// exclude: parts of names of tables that stay.
int quantize_tables(engine::Graph& graph, const std::vector<std::string>& exclude = {},
                    std::int64_t smallest = kSmallestInt8Table);

}  // namespace edgeclip::builder
