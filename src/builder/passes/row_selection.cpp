#include "builder/passes/row_selection.h"

#include <algorithm>
#include <limits>

namespace edgeclip::builder {

using namespace engine;

namespace {

/// The only element of a constant of int32 or int64.
std::optional<std::int64_t> single(const Graph& graph, ValueId id) {
  if (id == kNoValue || !graph.value(id).is_constant()) return {};
  const Tensor& tensor = *graph.value(id).constant;
  if (tensor.elements() != 1 || tensor.shape().size() > 1) return {};
  if (tensor.dtype() == DType::i32) return *tensor.data<std::int32_t>();
  if (tensor.dtype() == DType::i64) return *tensor.data<std::int64_t>();
  return {};
}

std::optional<std::size_t> axis_of(std::int64_t axis, const SymbolicShape& shape) {
  const auto rank = static_cast<std::int64_t>(shape.size());
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank - 1) return {};
  return static_cast<std::size_t>(axis);
}

std::optional<RowSelection> gather(const Graph& graph, const Node& node, const SymbolicShape& x, std::size_t i) {
  const auto row = single(graph, node.inputs[1]);
  const auto axis = axis_of(node.int_or("axis", 0), x);
  if (!row || !axis) return {};
  const bool scalar = graph.value(node.inputs[1]).constant->shape().empty();
  return RowSelection{i, node.inputs[0], *axis, row, kNoValue, scalar};
}

std::optional<RowSelection> slice(const Graph& graph, const ShapeFacts& facts, const Node& node,
                                  const SymbolicShape& x, std::size_t i) {
  if (node.opset < 10 || !node.has_input(1) || !node.has_input(2) || !node.has_input(3)) return {};
  const auto start = single(graph, node.inputs[1]), named = single(graph, node.inputs[3]);
  if (!start || !named || (node.has_input(4) && single(graph, node.inputs[4]) != 1)) return {};
  const auto axis = axis_of(*named, x);
  const auto& y = facts.symbolic(node.outputs[0]);
  if (!axis || !y || y->size() != x.size() || (*y)[*axis] != 1) return {};
  return RowSelection{i, node.inputs[0], *axis, start, kNoValue, false};
}

std::optional<RowSelection> gather_nd(const ShapeFacts& facts, const Node& node, const SymbolicShape& x,
                                      std::size_t i) {
  const auto& rows = facts.symbolic(node.inputs[1]);
  if (node.int_or("batch_dims", 0) != 1 || !rows || x.size() < 3 || rows->size() < 2 || rows->size() > 3) return {};
  if ((*rows)[0] != x[0] || rows->back() != 1 || (rows->size() == 3 && (*rows)[1] != 1)) return {};
  return RowSelection{i, node.inputs[0], 1, {}, node.inputs[1], rows->size() == 2};
}

}  // namespace

std::optional<RowSelection> row_selection_of(const Graph& graph, const ShapeFacts& facts, std::size_t i) {
  const Node& node = graph.nodes()[i];
  if (!node.is("Gather") && !node.is("Slice") && !node.is("GatherND")) return {};
  if (graph.value(node.inputs[0]).is_constant()) return {};
  const auto& x = facts.symbolic(node.inputs[0]);
  if (!x || x->size() < 2) return {};
  const auto found = node.is("Gather")  ? gather(graph, node, *x, i)
                     : node.is("Slice") ? slice(graph, facts, node, *x, i)
                                        : gather_nd(facts, node, *x, i);
  if (!found || (*x)[found->axis] == 1 || (*x)[found->axis].is_unknown()) return {};
  return found;
}

bool RowPicker::can_pick(ValueId value, std::size_t axis) const {
  const auto& shape = facts_.symbolic(value);
  if (!shape || axis >= shape->size()) return false;
  if (!selection_.per_sample()) return true;
  const auto begin = shape->begin(), end = begin + static_cast<std::ptrdiff_t>(axis);
  if (product_of({begin, end}) == 1) return true;
  return axis >= 1 && starts_with_samples(*shape) && product_of({begin + 1, end}) == 1;
}

ValueId RowPicker::ints(const std::vector<std::int64_t>& values) {
  return graph_.add_constant(graph_.nodes()[selection_.node].name + "/axes",
                             Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())}, values));
}

ValueId RowPicker::add(const char* op, int opset, std::vector<ValueId> inputs,
                       std::map<std::string, Attribute> attributes, const Shape& shape) {
  const Node& selection = graph_.nodes()[selection_.node];
  Value value;
  value.name = fmt::format("{}/of/{}/{}", selection.name, graph_.value(from_).name, op);
  value.dtype = graph_.value(inputs[0]).dtype;
  value.shape = shape;
  Node node;
  node.name = value.name;
  node.op = op;
  node.opset = opset;
  node.inputs = std::move(inputs);
  node.outputs = {graph_.add_value(std::move(value))};
  node.attributes = std::move(attributes);
  node.origins = selection.origins;
  nodes.push_back(std::move(node));
  return nodes.back().outputs[0];
}

ValueId RowPicker::indices(const Shape& shape) {
  const auto [made, fresh] = indices_.try_emplace(shape, kNoValue);
  if (fresh)
    made->second = add("Reshape", 13, {selection_.rows, ints(shape)}, {}, shape);
  return made->second;
}

ValueId RowPicker::pick(ValueId value, std::size_t axis, std::size_t axis_of_output) {
  const auto [made, fresh] = made_.try_emplace({value, axis, axis_of_output}, kNoValue);
  if (!fresh) return made->second;
  from_ = value;
  const auto at = static_cast<std::int64_t>(axis);
  Shape picked = *facts_.shape(value);
  picked[axis] = 1;
  if (!selection_.per_sample()) {
    const ValueId row = ints({*selection_.row});
    return made->second = add("Gather", 13, {value, row}, {{"axis", at}}, picked);
  }
  const SymbolicShape& shape = *facts_.symbolic(value);
  const Shape behind(picked.begin() + at + 1, picked.end());
  if (axis >= 1 && starts_with_samples(shape)) {  // (B, 1..., T, ...)
    ValueId x = value;
    std::vector<std::int64_t> ones(axis - 1);
    for (std::size_t i = 0; i < ones.size(); ++i) ones[i] = static_cast<std::int64_t>(i) + 1;
    Shape rows = {picked[0], 1};
    rows.insert(rows.end(), behind.begin(), behind.end());
    if (!ones.empty()) {
      Shape squeezed = rows;
      squeezed[1] = facts_.shape(value)->at(axis);
      x = add("Squeeze", 13, {x, ints(ones)}, {}, squeezed);
    }
    x = add("GatherND", 13, {x, indices({-1, 1, 1})}, {{"batch_dims", std::int64_t{1}}}, rows);
    if (!ones.empty()) x = add("Unsqueeze", 13, {x, ints(ones)}, {}, picked);
    return made->second = x;
  }
  // (1..., T, ...): the same for all samples, so the rows of a table
  ValueId table = value;
  if (axis > 0) {
    std::vector<std::int64_t> ones(axis);
    for (std::size_t i = 0; i < ones.size(); ++i) ones[i] = static_cast<std::int64_t>(i);
    Shape squeezed = {facts_.shape(value)->at(axis)};
    squeezed.insert(squeezed.end(), behind.begin(), behind.end());
    table = add("Squeeze", 13, {table, ints(ones)}, {}, squeezed);
  }
  Shape rows(axis_of_output + 1, 1);
  rows[0] = -1;
  const ValueId index = indices(rows);
  rows.insert(rows.end(), behind.begin(), behind.end());
  return made->second = add("Gather", 13, {table, index}, {{"axis", std::int64_t{0}}}, rows);
}

}  // namespace edgeclip::builder
