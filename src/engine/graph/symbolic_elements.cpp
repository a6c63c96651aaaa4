#include <algorithm>
#include <map>

#include "engine/graph/symbolic_rules.h"
#include "engine/ops/interpreter.h"
#include "engine/ops/support.h"

/// Values that exporters compute from shapes, element by element.  int64 and bool only: what does not fit
/// into a narrower integer, or into a float, would be another number there.
namespace edgeclip::engine {

namespace {

using Elements = std::vector<SymbolicDim>;

/// Of input i: unknown ones if nothing is known of them; nothing if it is too large or of symbolic shape.
std::optional<Elements> elements_of(const SymbolicNode& n, std::size_t i) {
  const auto shape = n.has(i) ? n.inputs[i]->concrete() : std::nullopt;
  std::uint64_t count = 0;
  if (!shape || !checked_num_elements(*shape, &count) || count > kSmallValue) return {};
  if (auto known = n.inputs[i]->known_elements()) return known;
  return Elements(count, SymbolicDim::unknown());
}

/// Operators that move elements of some inputs as the others say.
bool is_moved(const std::string& op, std::size_t input) {
  if (op == "Concat") return true;
  if (op == "ScatterElements" || op == "ScatterND") return input != 1;
  return input == 0;
}

bool moves(const Node& node) {
  static const char* const kOps[] = {"Gather",  "GatherElements", "GatherND",  "Slice",
                                     "Concat",  "Squeeze",        "Unsqueeze", "Reshape",
                                     "Flatten", "Transpose",      "Expand",    "ScatterElements",
                                     "Tile",    "Split",          "Identity",  "ScatterND"};
  if (node.string_or("reduction", "none") != "none") return false;
  return std::any_of(std::begin(kOps), std::end(kOps), [&](const char* op) { return node.is(op); });
}

/// The reference kernel moves the elements' numbers, whatever they stand for.
void move_elements(SymbolicNode& n) {
  Elements pool;
  std::vector<Tensor> tensors(n.inputs.size());
  Inputs inputs(n.inputs.size());
  for (std::size_t i = 0; i < n.inputs.size(); ++i) {
    if (!n.has(i)) continue;
    if (is_moved(n.node.op, i)) {
      const auto elements = elements_of(n, i);
      if (!elements) return;
      tensors[i] = Tensor(DType::i64, *n.inputs[i]->concrete());
      for (std::size_t k = 0; k < elements->size(); ++k)
        tensors[i].data<std::int64_t>()[k] = static_cast<std::int64_t>(pool.size() + k);
      pool.insert(pool.end(), elements->begin(), elements->end());
    } else {
      if (!n.inputs[i]->data) return;
      tensors[i] = *n.inputs[i]->data;
    }
    inputs[i] = tensors[i].view();
  }
  const std::vector<Tensor> results = evaluate_node(n.node, inputs);
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (n.node.outputs[i] == kNoValue) continue;
    Elements elements;
    for (std::int64_t k = 0; k < results[i].elements(); ++k)
      elements.push_back(pool.at(static_cast<std::size_t>(results[i].data<std::int64_t>()[k])));
    n.outputs[i].elements = std::move(elements);
  }
}

SymbolicDim quotient(const SymbolicDim& a, const SymbolicDim& b) {
  // Div rounds towards 0
  return surely_at_least(a, 0) && surely_at_least(b, 0) ? floor_div(a, b) : SymbolicDim::unknown();
}

/// 1 or 0 if one of them is sure.
SymbolicDim decided(bool yes, bool no) { return yes ? 1 : no ? SymbolicDim(0) : SymbolicDim::unknown(); }

SymbolicDim less(const SymbolicDim& a, const SymbolicDim& b) {
  return decided(surely_at_least(b, a + 1), surely_at_least(a, b));
}

using Function = SymbolicDim (*)(const SymbolicDim&, const SymbolicDim&);

const std::map<std::string, Function>& functions() {
  using S = const SymbolicDim&;
  static const std::map<std::string, Function> table = {
      {"Add", [](S a, S b) { return a + b; }},
      {"Sum", [](S a, S b) { return a + b; }},
      {"Sub", [](S a, S b) { return a - b; }},
      {"Mul", [](S a, S b) { return a * b; }},
      {"Div", [](S a, S b) { return quotient(a, b); }},
      {"Mod", [](S a, S b) { return a - b * quotient(a, b); }},
      {"Max", [](S a, S b) { return max_of(a, b); }},
      {"Min", [](S a, S b) { return min_of(a, b); }},
      {"Equal",
       [](S a, S b) { return decided(a == b, surely_at_least(a, b + 1) || surely_at_least(b, a + 1)); }},
      {"Less", [](S a, S b) { return less(a, b); }},
      {"Greater", [](S a, S b) { return less(b, a); }},
      {"LessOrEqual", [](S a, S b) { return SymbolicDim(1) - less(b, a); }},
      {"GreaterOrEqual", [](S a, S b) { return SymbolicDim(1) - less(a, b); }},
      {"And", [](S a, S b) { return decided(a == 1 && b == 1, a == 0 || b == 0); }},
      {"Or", [](S a, S b) { return decided(a == 1 || b == 1, a == 0 && b == 0); }},
  };
  return table;
}

/// Every input's elements, spread over `out` by broadcasting; empty if one has none.
std::vector<Elements> spread(const SymbolicNode& n, const Shape& out) {
  std::vector<Elements> all;
  for (std::size_t i = 0; i < n.inputs.size(); ++i) {
    const auto elements = elements_of(n, i);
    if (!elements) return {};
    const Shape strides[1] = {broadcast_strides(*n.inputs[i]->concrete(), out)};
    Elements wide;
    for_each_row(out, strides,
                 [&](const std::int64_t* offsets, std::int64_t count, const std::int64_t* steps) {
                   for (std::int64_t k = 0; k < count; ++k)
                     wide.push_back(elements->at(static_cast<std::size_t>(offsets[0] + k * steps[0])));
                 });
    all.push_back(std::move(wide));
  }
  return all;
}

void compute_elementwise(SymbolicNode& n) {
  const auto all = spread(n, *n.outputs[0].concrete());
  if (all.empty()) return;
  const auto function = functions().find(n.node.op);
  Elements result = all[0];
  for (std::size_t k = 0; k < result.size(); ++k) {
    if (n.node.op == "Where") {
      const SymbolicDim &condition = all[0][k], &yes = all[1][k], &no = all[2][k];
      result[k] = yes == no || condition == 1 ? yes : condition == 0 ? no : SymbolicDim::unknown();
    } else {
      for (std::size_t i = 1; i < all.size(); ++i) result[k] = function->second(result[k], all[i][k]);
    }
  }
  n.outputs[0].elements = std::move(result);
}

void compute_unary(SymbolicNode& n) {
  auto x = elements_of(n, 0);
  if (!x) return;
  for (SymbolicDim& e : *x) {
    if (n.node.op == "Neg")
      e = SymbolicDim(0) - e;
    else if (n.node.op == "Not")
      e = SymbolicDim(1) - e;
    else if (n.node.op == "Abs")
      e = surely_at_least(e, 0) ? e : SymbolicDim::unknown();
    else if (n.outputs[0].dtype == DType::boolean)  // Cast
      e = decided(surely_at_least(e, 1) || surely_at_least(-1, e), e == 0);
  }
  n.outputs[0].elements = std::move(x);
}

/// Of all elements to one.
void compute_reduced(SymbolicNode& n) {
  const auto x = elements_of(n, 0);
  if (!x || x->empty() || product_of(*n.outputs[0].shape).constant() != 1) return;
  SymbolicDim result = x->front();
  for (std::size_t i = 1; i < x->size(); ++i)
    result = n.node.op == "ReduceProd" ? result * (*x)[i] : result + (*x)[i];
  n.outputs[0].elements = Elements{result};
}

void compute_range(SymbolicNode& n) {
  const auto start = elements_of(n, 0), delta = elements_of(n, 2);
  if (!start || !delta || start->size() != 1 || delta->size() != 1) return;
  Elements result;
  for (std::int64_t i = 0, count = n.outputs[0].concrete()->front(); i < count; ++i)
    result.push_back((*start)[0] + (*delta)[0] * i);
  n.outputs[0].elements = std::move(result);
}

void compute_shape(SymbolicNode& n) {
  const auto rank = static_cast<std::int64_t>(n.rank(0)), start = n.node.int_or("start", 0);
  const auto first = n.dims(0).begin() + std::clamp<std::int64_t>(start < 0 ? start + rank : start, 0, rank);
  n.outputs[0].elements = Elements(first, first + n.outputs[0].concrete()->front());
}

bool counted(const std::optional<DType>& dtype) { return dtype == DType::i64 || dtype == DType::boolean; }

}  // namespace

void compute_elements(SymbolicNode& n) {
  for (const SymbolicValue& output : n.outputs) {
    const auto shape = output.concrete();
    std::uint64_t count = 0;
    if (!counted(output.dtype) || !shape || !checked_num_elements(*shape, &count) || count > kMostElements)
      return;
  }
  const Node& node = n.node;
  if (!node.domain.empty()) return;
  if (node.op == "Shape" || node.op == "Size") {
    if (!n.inputs[0]->shape) return;
    if (node.op == "Shape")
      compute_shape(n);
    else
      n.outputs[0].elements = Elements{product_of(n.dims(0))};
    return;
  }
  // Nothing to gain where no input is known, nor from numbers of another type.
  bool known = false;
  for (const SymbolicValue* input : n.inputs) {
    if (!input) continue;
    known = known || input->elements;
    if (input->elements && !counted(input->dtype)) return;
  }
  if (!known) return;
  if (moves(node))
    move_elements(n);
  else if (functions().count(node.op) != 0 || node.op == "Where")
    compute_elementwise(n);
  else if (node.op == "Neg" || node.op == "Not" || node.op == "Abs" || node.op == "Cast")
    compute_unary(n);
  else if (node.op == "ReduceProd" || node.op == "ReduceSum")
    compute_reduced(n);
  else if (node.op == "Range")
    compute_range(n);
}

}  // namespace edgeclip::engine
