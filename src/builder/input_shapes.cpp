#include "builder/input_shapes.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/nearest.h"
#include "base/utf8.h"
#include "engine/ops/support.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

/// Engines count elements in 63 bits; no tensor is near that.
constexpr std::int64_t kMostDim = std::int64_t{1} << 40;

[[noreturn]] void malformed(const std::string& option) {
  invalid_input("--shape {}: is not NAME=MIN:OPT:MAX or NAME=SHAPE, each shape like 1x3x224x224; correct it",
                option);
}

Shape parse_shape(const std::string& text, const std::string& option) {
  Shape shape;
  const char *at = text.data(), *end = text.data() + text.size();
  while (true) {
    std::int64_t dim = -1;
    const auto parsed = std::from_chars(at, end, dim);
    if (parsed.ec != std::errc() || dim < 0 || dim > kMostDim || *at == '-') malformed(option);
    shape.push_back(dim);
    if (parsed.ptr == end) return shape;
    if (*parsed.ptr != 'x') malformed(option);
    at = parsed.ptr + 1;
  }
}

/// "1x3:4x3:8x3" or "1x3".
ShapeRange parse_range(const std::string& text, const std::string& option) {
  std::vector<Shape> shapes;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t colon = std::min(text.find(':', from), text.size());
    shapes.push_back(parse_shape(text.substr(from, colon - from), option));
    from = colon + 1;
  }
  if (shapes.size() == 1) return {shapes[0], shapes[0], shapes[0]};
  if (shapes.size() != 3) malformed(option);
  return {shapes[0], shapes[1], shapes[2]};
}

std::string sizes(const ShapeRange& range, std::size_t d) {
  return fmt::format("{}:{}:{}", range.min[d], range.opt[d], range.max[d]);
}

/// The range against what the model says of the input.
void check_range(const ShapeRange& range, const Value& value, const std::string& option,
                 const std::string& model) {
  const std::size_t rank = value.shape ? value.shape->size() : range.min.size();
  for (const Shape* shape : {&range.min, &range.opt, &range.max})
    if (shape->size() != rank)
      invalid_input("--shape {}: {} has {} dimensions, input {} of {} is {}; give as many", option,
                    dims_string(*shape), shape->size(), value.name, model, declared_shape(value));
  for (std::size_t d = 0; d < rank; ++d) {
    const std::int64_t fixed = value.shape ? (*value.shape)[d] : -1;
    for (const Shape* shape : {&range.min, &range.opt, &range.max})
      if (fixed >= 0 && (*shape)[d] != fixed)
        invalid_input(
            "--shape {}: dimension {} of input {} is {} in {}, not {}; only dynamic ones may differ", option,
            d, value.name, fixed, model, (*shape)[d]);
    if (fixed != 0 && std::min({range.min[d], range.opt[d], range.max[d]}) == 0)
      invalid_input("--shape {}: dimension {} is 0, which is no size to build for; give at least 1", option,
                    d);
    if (range.min[d] > range.opt[d] || range.opt[d] > range.max[d])
      invalid_input("--shape {}: dimension {} is {}, which is not min <= opt <= max; put them in order",
                    option, d, sizes(range, d));
  }
}

/// Dimensions of one symbol have one size.
void check_symbols(const Graph& graph, const GraphShapes& shapes, const std::string& model) {
  struct Seen {
    std::string input, sizes;
  };
  std::map<std::string, Seen> symbols;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const Value& value = graph.value(graph.inputs[i]);
    for (std::size_t d = 0; d < value.symbols.size(); ++d) {
      const std::string& symbol = value.symbols[d];
      if (symbol.empty() || (*value.shape)[d] >= 0) continue;
      const std::string here = sizes(shapes[i].range, d);
      const auto [it, fresh] = symbols.try_emplace(symbol, Seen{value.name, here});
      if (!fresh && it->second.sizes != here)
        invalid_input("--shape: {} of {} is {} in input {} and {} in input {}; give both the same",
                      printable(symbol), model, it->second.sizes, it->second.input, here, value.name);
    }
  }
}

bool has_static_shape(const Value& value) {
  return value.shape && std::all_of(value.shape->begin(), value.shape->end(), [](auto d) { return d >= 0; });
}

}  // namespace

GraphShapes input_shapes(const Graph& graph, const std::vector<std::string>& given,
                         const std::string& model) {
  std::vector<std::string> names;
  for (const ValueId id : graph.inputs) {
    names.push_back(graph.value(id).name);
    // They are keys of plan.json.
    if (find_invalid_utf8(names.back()) != std::string::npos)
      invalid_input("{}: the name of input '{}' is not UTF-8; export the model with another name", model,
                    printable(names.back()));
  }
  std::vector<std::string> options(names.size());
  std::vector<ShapeRange> ranges(names.size());
  for (const std::string& option : given) {
    const std::size_t equals = option.rfind('=');  // a name may hold one, shapes do not
    if (equals == std::string::npos || equals == 0) malformed(option);
    const std::string name = option.substr(0, equals);
    const auto it = std::find(names.begin(), names.end(), name);
    if (it == names.end())
      invalid_input("--shape {}: {} has no input \"{}\"{}", option, model, name, did_you_mean(name, names));
    const auto i = static_cast<std::size_t>(it - names.begin());
    if (!options[i].empty())
      invalid_input("--shape {}: the shape of {} is given twice; give one", option, name);
    options[i] = option;
    ranges[i] = parse_range(option.substr(equals + 1), option);
    check_range(ranges[i], graph.value(graph.inputs[i]), option, model);
  }
  GraphShapes shapes;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Value& value = graph.value(graph.inputs[i]);
    if (options[i].empty() && !has_static_shape(value))
      invalid_input(
          "{}: input {} is {}: it has dynamic dimensions; give its shapes by --shape {}=MIN:OPT:MAX", model,
          value.name, declared_shape(value), value.name);
    if (options[i].empty()) ranges[i] = {*value.shape, *value.shape, *value.shape};
    shapes.push_back({names[i], ranges[i]});
  }
  check_symbols(graph, shapes, model);
  return shapes;
}

}  // namespace edgeclip::builder
