#include "builder/passes/row_wise.h"

#include <map>
#include <string>

namespace edgeclip::builder {

using namespace engine;

namespace {

constexpr std::ptrdiff_t kWhole = RowsOfInputs::kWhole;

/// A node with the shapes of its first output and its inputs; distances are counted from behind, 1 for the
/// last axis, because that is how shapes are broadcast.
struct RowWiseContext {
  const Graph& graph;
  const ShapeFacts& facts;
  const Node& node;
  std::size_t axis;
  bool batch_first;
  const SymbolicShape& out;

  std::size_t distance() const { return out.size() - axis; }
  const SymbolicDim& length() const { return out[axis]; }
  const std::optional<SymbolicShape>& shape(std::size_t i) const { return facts.symbolic(node.inputs[i]); }
  RowsOfInputs all_whole() const { return {std::vector<std::ptrdiff_t>(node.inputs.size(), kWhole)}; }
  std::size_t normalized(std::int64_t axis_of_out) const {
    return static_cast<std::size_t>(axis_of_out < 0 ? axis_of_out + static_cast<std::int64_t>(out.size()) : axis_of_out);
  }
  /// Input i as the operators' broadcasting has it: its axis at the same distance from behind; kWhole where it
  /// is the same for all rows.  Nothing if that cannot be told.
  std::optional<std::ptrdiff_t> broadcast(std::size_t i) const {
    if (!node.has_input(i)) return kWhole;
    const auto& in = shape(i);
    if (!in) return {};
    if (in->size() < distance()) return kWhole;
    const std::size_t at = in->size() - distance();
    if ((*in)[at] == 1) return kWhole;
    if (!surely_spans((*in)[at], length())) return {};
    // of fewer dimensions, its first one is not the samples'
    if (batch_first && in->size() != out.size() &&
        product_of({in->begin(), in->begin() + static_cast<std::ptrdiff_t>(at)}) != 1)
      return {};
    return static_cast<std::ptrdiff_t>(at);
  }
  bool spread(RowsOfInputs& rows, std::size_t i) const {
    const auto at = broadcast(i);
    if (at) rows.axes[i] = *at;
    return at.has_value();
  }
};

using Rule = std::optional<RowsOfInputs> (*)(const RowWiseContext&);

/// Element by element, all inputs broadcast.
std::optional<RowsOfInputs> elements(const RowWiseContext& c) {
  RowsOfInputs rows = c.all_whole();
  for (std::size_t i = 0; i < c.node.inputs.size(); ++i)
    if (!c.spread(rows, i)) return {};
  return rows;
}

/// Element by element of input 0; the others (a scale, a zero point) hold one element.
std::optional<RowsOfInputs> elements_of_first(const RowWiseContext& c) {
  for (std::size_t i = 1; i < c.node.inputs.size(); ++i)
    if (c.node.has_input(i) && (!c.shape(i) || product_of(*c.shape(i)) != 1)) return {};
  RowsOfInputs rows = c.all_whole();
  rows.axes[0] = static_cast<std::ptrdiff_t>(c.axis);
  return rows;
}

/// Along the node's axis, the last one if it names none.
std::optional<RowsOfInputs> along_axis(const RowWiseContext& c) {
  if (c.node.domain.empty() && c.node.opset < 13 && c.node.op != "LpNormalization") return {};  // all axes behind it
  if (c.normalized(c.node.int_or("axis", -1)) == c.axis) return {};
  RowsOfInputs rows = c.all_whole();
  rows.axes[0] = static_cast<std::ptrdiff_t>(c.axis);
  return rows;
}

/// Over the axes from the node's on; scale and bias lie along those.
std::optional<RowsOfInputs> over_last_axes(const RowWiseContext& c) {
  const std::size_t first = c.normalized(c.node.int_or("axis", -1));
  if (first <= c.axis) return {};
  for (std::size_t i = 1; i < c.node.outputs.size(); ++i)
    if (c.node.outputs[i] != kNoValue) return {};
  RowsOfInputs rows = c.all_whole();
  rows.axes[0] = static_cast<std::ptrdiff_t>(c.axis);
  for (std::size_t i = 1; i < c.node.inputs.size(); ++i)
    if (c.node.has_input(i) && (!c.shape(i) || c.shape(i)->size() > c.out.size() - first)) return {};
  return rows;
}

/// Each row over all of the last axis.
std::optional<RowsOfInputs> every_row(const RowWiseContext& c) {
  RowsOfInputs rows = c.all_whole();
  rows.axes[0] = static_cast<std::ptrdiff_t>(c.axis);
  return rows;
}

/// (..., M, K) by (..., K, N): the rows of the left side, or what lies before them if the right side is one
/// matrix.
std::optional<RowsOfInputs> product(const RowWiseContext& c) {
  const auto &a = c.shape(0), &b = c.shape(1);
  if (!a || !b || a->size() < 2 || b->size() < 2) return {};
  if (c.distance() > 2 && b->size() > 2) return {};
  RowsOfInputs rows = c.all_whole();
  if (!c.spread(rows, 0) || rows.axes[0] == kWhole) return {};
  return rows;
}

/// FusedMatMul(A, W, bias, residual).
std::optional<RowsOfInputs> fused_product(const RowWiseContext& c) {
  auto rows = product(c);
  if (rows && c.node.inputs.size() > 3 && !c.spread(*rows, 3)) return {};
  return rows;
}

/// QuantMatMul(A, W, w_scale, bias, residual, row_scale, row_zero_point).
std::optional<RowsOfInputs> quantized_product(const RowWiseContext& c) {
  auto rows = product(c);
  for (const std::size_t i : {4, 5, 6})
    if (rows && c.node.inputs.size() > i && !c.spread(*rows, i)) return {};
  return rows;
}

std::optional<RowsOfInputs> gemm(const RowWiseContext& c) {
  if (c.node.int_or("transA", 0) != 0 || c.axis != 0) return {};
  RowsOfInputs rows = c.all_whole();
  rows.axes[0] = 0;
  if (c.node.inputs.size() > 2 && !c.spread(rows, 2)) return {};
  return rows;
}

std::optional<RowsOfInputs> transpose(const RowWiseContext& c) {
  auto perm = c.node.ints_or("perm", {});
  if (perm.empty())
    for (std::size_t i = c.out.size(); i-- > 0;) perm.push_back(static_cast<std::int64_t>(i));
  if (c.batch_first && perm[0] != 0) return {};
  return RowsOfInputs{{static_cast<std::ptrdiff_t>(perm.at(c.axis))}};
}

/// The axis before which as much lies, and which is as long.
std::optional<RowsOfInputs> view(const RowWiseContext& c) {
  const auto& in = c.shape(0);
  if (!in || (c.batch_first && (in->empty() || (*in)[0] != c.out[0]))) return {};
  const SymbolicDim before = product_of({c.out.begin(), c.out.begin() + static_cast<std::ptrdiff_t>(c.axis)});
  for (std::size_t i = 0; i < in->size(); ++i) {
    if ((*in)[i] != c.length() || product_of({in->begin(), in->begin() + static_cast<std::ptrdiff_t>(i)}) != before)
      continue;
    RowsOfInputs rows = c.all_whole();
    rows.axes[0] = static_cast<std::ptrdiff_t>(i);
    return rows;
  }
  return {};
}

/// Rows are cut, not picked.
std::optional<RowsOfInputs> slice(const RowWiseContext& c) {
  const auto& in = c.shape(0);
  if (c.node.opset < 10 || !in || in->size() != c.out.size() || (*in)[c.axis] != c.length() || !c.node.has_input(3))
    return {};
  const auto& axes = c.graph.value(c.node.inputs[3]).constant;
  if (!axes || axes->dtype() != DType::i64) return {};
  for (std::int64_t i = 0; i < axes->elements(); ++i) {
    const std::size_t cut = c.normalized(axes->data<std::int64_t>()[i]);
    if (cut == c.axis || (c.batch_first && cut == 0)) return {};
  }
  RowsOfInputs rows = c.all_whole();
  rows.axes[0] = static_cast<std::ptrdiff_t>(c.axis);
  return rows;
}

/// ONNX's Attention (Q, K, V, mask), heads side by side or apart: the rows are queries.  Not where their places
/// count (causal, windows), and not with a cache, lengths of keys or further outputs.
std::optional<RowsOfInputs> attention(const RowWiseContext& c) {
  if (c.distance() != 2 || c.node.int_or("is_causal", 0) != 0) return {};
  for (const char* window : {"left_window_size", "right_window_size"})
    if (c.node.int_or(window, -1) >= 0) return {};
  for (std::size_t i = 4; i < c.node.inputs.size(); ++i)
    if (c.node.has_input(i)) return {};
  for (std::size_t i = 1; i < c.node.outputs.size(); ++i)
    if (c.node.outputs[i] != kNoValue) return {};
  RowsOfInputs rows = c.all_whole();
  rows.axes[0] = static_cast<std::ptrdiff_t>(c.axis);
  if (!c.node.has_input(3)) return rows;
  if (!c.spread(rows, 3)) return {};
  // Rows picked for each sample would lie where the mask, which has a dimension more than such an output, has heads.
  if (c.batch_first && c.out.size() == 3 && rows.axes[3] != kWhole) return {};
  return rows;
}

using Table = std::map<std::string, Rule>;

/// By domain and name.  An operator that is not here stops the rows.
const Table& rules() {
  static const Table table = [] {
    Table t;
    for (const char* op :
         {"Abs",       "Add",        "And",         "Ceil",     "Cast",     "Celu",      "Clip",    "Cos",
          "Div",       "Elu",        "Equal",       "Erf",      "Exp",      "Floor",     "Gelu",    "Greater",
          "HardSigmoid", "HardSwish", "Identity",   "IsInf",    "IsNaN",    "LeakyRelu", "Less",    "Log",
          "Max",       "Mean",       "Min",         "Mish",     "Mul",      "Neg",       "Not",     "Or",
          "Pow",       "PRelu",      "Reciprocal",  "Relu",     "Round",    "Selu",      "Sigmoid", "Sign",
          "Sin",       "Softplus",   "Softsign",    "Sqrt",     "Sub",      "Sum",       "Swish",   "Tan",
          "Tanh",      "ThresholdedRelu", "Where",  "Xor",      "edgeclip.Gelu", "edgeclip.QuickGelu",
          "edgeclip.MaskedSoftmax"})  // (scores, mask), over the last axis
      t[op] = elements;
    for (const char* op :
         {"QuantizeLinear", "DequantizeLinear", "edgeclip.QuantizeRows", "edgeclip.AffineQuantizeRows"})
      t[op] = elements_of_first;
    for (const char* op : {"Softmax", "LogSoftmax", "LpNormalization", "edgeclip.L2Normalize"}) t[op] = along_axis;
    for (const char* op : {"LayerNormalization", "RMSNormalization"}) t[op] = over_last_axes;
    t["edgeclip.LayerNormQuantizeRows"] = every_row;
    for (const char* op : {"Reshape", "Flatten", "Squeeze", "Unsqueeze"}) t[op] = view;
    t["MatMul"] = product;
    t["Gemm"] = gemm;
    t["edgeclip.FusedMatMul"] = fused_product;
    t["edgeclip.QuantMatMul"] = quantized_product;
    t["Transpose"] = transpose;
    t["Slice"] = slice;
    t["Attention"] = attention;
    return t;
  }();
  return table;
}

}  // namespace

bool is_view(const Node& node) {
  return node.is("Reshape") || node.is("Flatten") || node.is("Squeeze") || node.is("Unsqueeze");
}

std::optional<RowsOfInputs> rows_through(const Graph& graph, const ShapeFacts& facts, const Node& node,
                                         std::size_t axis, bool batch_first) {
  const auto rule = rules().find(node.domain.empty() ? node.op : node.domain + "." + node.op);
  if (rule == rules().end() || node.outputs.empty() || node.outputs[0] == kNoValue || node.inputs.empty()) return {};
  const auto& out = facts.symbolic(node.outputs[0]);
  if (!out || axis + 1 >= out->size()) return {};
  return rule->second({graph, facts, node, axis, batch_first, *out});
}

}  // namespace edgeclip::builder
