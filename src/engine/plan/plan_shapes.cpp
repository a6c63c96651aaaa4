#include "engine/plan/plan_shapes.h"

#include "base/error.h"

namespace edgeclip::engine {

namespace {

constexpr const char* kRebuild = "build the plan again";

bool ordered(const Shape& small, const Shape& large) {
  if (small.size() != large.size()) return false;
  for (std::size_t d = 0; d < small.size(); ++d)
    if (small[d] > large[d]) return false;
  return true;
}

Shape read_shape(const Json& json, const char* key, const std::string& where) {
  const Json& list = json_at(json, key, where);
  if (!list.is_array()) json_type_error(list, key, where, "a list of dimensions");
  Shape shape;
  for (const Json& dim : list) {
    if (!dim.is_number_integer() || !integer_fits<std::int64_t>(dim) || dim.get<std::int64_t>() < 0)
      json_type_error(list, key, where, "a list of dimensions");
    shape.push_back(dim.get<std::int64_t>());
  }
  return shape;
}

}  // namespace

bool ShapeRange::contains(const Shape& shape) const { return ordered(min, shape) && ordered(shape, max); }

std::string dims_string(const Shape& shape) {
  return shape.empty() ? "scalar" : fmt::format("{}", fmt::join(shape, "x"));
}

std::string range_string(const ShapeRange& range) {
  if (range.min == range.max) return dims_string(range.opt);
  return fmt::format("{}:{}:{}", dims_string(range.min), dims_string(range.opt), dims_string(range.max));
}

std::string declared_shape(const Value& value) {
  if (!value.shape) return "(...)";
  std::vector<std::string> dims;
  for (std::size_t d = 0; d < value.shape->size(); ++d) {
    const std::int64_t dim = (*value.shape)[d];
    const bool named = d < value.symbols.size() && !value.symbols[d].empty();
    dims.push_back(dim >= 0 ? std::to_string(dim) : named ? value.symbols[d] : std::string("?"));
  }
  return fmt::format("({})", fmt::join(dims, ", "));
}

bool shape_fits(const Shape& shape, const Value& value) {
  if (!value.shape) return true;
  if (shape.size() != value.shape->size()) return false;
  for (std::size_t d = 0; d < shape.size(); ++d)
    if ((*value.shape)[d] >= 0 && (*value.shape)[d] != shape[d]) return false;
  return true;
}

Json shapes_to_json(const GraphShapes& shapes) {
  Json json = Json::object();
  for (const InputShapes& one : shapes)
    json[one.input] = {{"min", one.range.min}, {"opt", one.range.opt}, {"max", one.range.max}};
  return json;
}

GraphShapes shapes_from_json(const Json& json, const std::string& where) {
  if (!json.is_object()) invalid_input("{}: is {}, not an object; {}", where, json_kind(json), kRebuild);
  GraphShapes shapes;
  for (const auto& [input, range] : json.items()) {
    const std::string place = where + "." + input;
    shapes.push_back({input,
                      {read_shape(range, "min", place), read_shape(range, "opt", place),
                       read_shape(range, "max", place)}});
    const ShapeRange& read = shapes.back().range;
    if (!ordered(read.min, read.opt) || !ordered(read.opt, read.max))
      invalid_input("{}: {} is not min <= opt <= max; {}", place, range_string(read), kRebuild);
  }
  return shapes;
}

void check_graph_shapes(const GraphShapes& shapes, const Graph& graph, const std::string& where) {
  bool same = shapes.size() == graph.inputs.size();
  for (std::size_t i = 0; same && i < shapes.size(); ++i) {
    const Value& value = graph.value(graph.inputs[i]);
    const ShapeRange& range = shapes[i].range;
    same = shapes[i].input == value.name && shape_fits(range.min, value) && shape_fits(range.opt, value) &&
           shape_fits(range.max, value);
  }
  if (!same) invalid_input("{}: are not those of the graph's inputs; {}", where, kRebuild);
}

}  // namespace edgeclip::engine
