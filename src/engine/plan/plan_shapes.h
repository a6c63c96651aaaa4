#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "engine/graph/graph.h"

/// The shapes that the inputs of a plan's graph may have.
namespace edgeclip::engine {

/// Shapes of one input: all of one rank, min <= opt <= max in every dimension.  opt is the shape of most
/// runs.
struct ShapeRange {
  Shape min, opt, max;
  bool contains(const Shape& shape) const;
};

/// "1x3x224x224"; "scalar" for no dimensions.
std::string dims_string(const Shape& shape);
/// "1x3x224x224:4x3x224x224:8x3x224x224", or one shape where there is no other: as --shape takes it.
std::string range_string(const ShapeRange& range);

struct InputShapes {
  std::string input;  ///< its name
  ShapeRange range;
};

/// Of every input of a graph, in the graph's order.
using GraphShapes = std::vector<InputShapes>;

/// "(batch, 3, 224, 224)": of a graph's input, before its shapes are known; "(...)" without a rank.
std::string declared_shape(const Value& value);

/// Whether a graph's input may have this shape: of its rank, and equal in its static dimensions.
bool shape_fits(const Shape& shape, const Value& value);

/// {"pixel_values": {"min": [1, 3, 224, 224], "opt": [...], "max": [...]}}
Json shapes_to_json(const GraphShapes& shapes);
/// Throws InvalidInput (at `where`) for anything that shapes_to_json() does not write.
GraphShapes shapes_from_json(const Json& json, const std::string& where);

/// Throws InvalidInput (at `where`) unless these are the graph's inputs, and their shapes fit what it says
/// of them.
void check_graph_shapes(const GraphShapes& shapes, const Graph& graph, const std::string& where);

}  // namespace edgeclip::engine
