#include <algorithm>
#include <map>

#include "engine/graph/symbolic_rules.h"
#include "engine/ops/support.h"

/// Shapes of products, reductions and normalizations.
namespace edgeclip::engine {

/// Also MatMulInteger, QLinearMatMul and the fused ones, whose residual widens the result (QuantMatMul).
void shape_matmul(SymbolicNode& n) {
  SymbolicShape a = n.dims(0), b = n.dims(n.node.op == "QLinearMatMul" ? 3 : 1);
  if (a.empty() || b.empty()) return;
  const bool row = a.size() == 1, column = b.size() == 1;
  if (row) a.insert(a.begin(), 1);
  if (column) b.push_back(1);
  const SymbolicDim m = a[a.size() - 2], columns = b.back();
  a.resize(a.size() - 2, 1);
  b.resize(b.size() - 2, 1);
  if (a.size() < b.size()) a.insert(a.begin(), b.size() - a.size(), 1);
  for (std::size_t d = 0; d < b.size(); ++d) {
    SymbolicDim& dim = a[a.size() - b.size() + d];
    dim = broadcast_of(dim, b[d]);
  }
  if (!row) a.push_back(m);
  if (!column) a.push_back(columns);
  if (n.node.is("QuantMatMul", "edgeclip") && n.has(4)) {
    const SymbolicShape& residual = n.dims(4);
    if (residual.size() > a.size()) a.insert(a.begin(), residual.size() - a.size(), 1);
    for (std::size_t d = 0; d < residual.size(); ++d) {
      SymbolicDim& dim = a[a.size() - residual.size() + d];
      dim = broadcast_of(dim, residual[d]);
    }
  }
  n.give(0, std::move(a));
}

void shape_gemm(SymbolicNode& n) {
  const SymbolicShape &a = n.dims(0), &b = n.dims(1);
  if (a.size() != 2 || b.size() != 2) return;
  n.give(0, {a[n.node.int_or("transA", 0) != 0 ? 1 : 0], b[n.node.int_or("transB", 0) != 0 ? 0 : 1]});
}

/// Q, K, V as (batch, heads, length, size), or packed as (batch, length, heads * size); behind the mask the
/// cache.
void shape_attention(SymbolicNode& n) {
  const SymbolicShape &q = n.dims(0), &k = n.dims(1), &v = n.dims(2);
  if ((q.size() != 3 && q.size() != 4) || k.size() != q.size() || v.size() != q.size()) return;
  const bool packed = q.size() == 3;
  const std::int64_t q_count = n.node.int_or("q_num_heads", 0), kv_count = n.node.int_or("kv_num_heads", 0);
  if (packed && (q_count < 1 || kv_count < 1)) return;
  const SymbolicDim q_heads = packed ? SymbolicDim(q_count) : q[1],
                    kv_heads = packed ? SymbolicDim(kv_count) : k[1];
  const std::size_t length = packed ? 1 : 2;
  const SymbolicDim size = packed ? floor_div(k[2], kv_count) : k[3],
                    v_size = packed ? floor_div(v[2], kv_count) : v[3];
  SymbolicDim total = k[length];
  if (n.has(4)) total = total + (n.rank(4) == 4 ? n.dims(4)[2] : SymbolicDim::unknown());
  n.give(0, packed ? SymbolicShape{q[0], q[1], q_heads * v_size} : SymbolicShape{q[0], q[1], q[2], v_size});
  n.give(1, {q[0], kv_heads, total, size});
  n.give(2, {q[0], kv_heads, total, v_size});
  n.give(3, {q[0], q_heads, q[length], total});
}

/// As q; a third of its width where that holds k and v as well.
void shape_fused_attention(SymbolicNode& n) {
  SymbolicShape y = n.dims(0);
  if (y.size() != 3) return;
  if (!n.has(1)) y[2] = floor_div(y[2], 3);
  n.give(0, std::move(y));
}

/// Fewer rows than x, and the size of each.
void shape_token_merge(SymbolicNode& n) {
  SymbolicShape y = n.dims(0);
  if (y.size() != 3) return;
  y[1] = y[1] - n.node.int_or("count", 0);
  n.give(0, y);
  y[2] = 1;
  n.give(1, std::move(y));
}

/// Equations without "...".
void shape_einsum(SymbolicNode& n) {
  std::string equation = n.node.string_or("equation", "");
  equation.erase(std::remove(equation.begin(), equation.end(), ' '), equation.end());
  if (equation.find("...") != std::string::npos) return;
  const std::size_t arrow = equation.find("->");
  std::map<char, SymbolicDim> extents;
  std::map<char, int> uses;
  std::size_t operand = 0, dim = 0;
  for (const char label : equation.substr(0, arrow)) {
    if (label == ',') {
      ++operand;
      dim = 0;
      continue;
    }
    if (!n.has(operand) || dim >= n.rank(operand)) return;
    const SymbolicDim& extent = n.dims(operand)[dim++];
    const auto [it, first] = extents.emplace(label, extent);
    if (!first) it->second = broadcast_of(it->second, extent);
    ++uses[label];
  }
  std::string output;
  if (arrow != std::string::npos) {
    output = equation.substr(arrow + 2);
  } else {
    for (const auto& [label, count] : uses)
      if (count == 1) output += label;
  }
  SymbolicShape shape;
  for (const char label : output) {
    const auto it = extents.find(label);
    if (it == extents.end()) return;
    shape.push_back(it->second);
  }
  n.give(0, std::move(shape));
}

void shape_reduce(SymbolicNode& n) {
  const SymbolicShape& x = n.dims(0);
  const bool keep = n.node.int_or("keepdims", 1) != 0;
  const auto axes = n.constants("axes", 1, {});
  if (!axes) {  // which ones is not known
    if (keep) n.give(0, SymbolicShape(x.size(), SymbolicDim::unknown()));
    return;
  }
  std::vector<bool> reduced(x.size(), axes->empty() && n.node.int_or("noop_with_empty_axes", 0) == 0);
  for (const std::size_t a : normalize_axes(n.node, *axes, x.size())) reduced[a] = true;
  SymbolicShape shape;
  for (std::size_t d = 0; d < x.size(); ++d) {
    if (!reduced[d])
      shape.push_back(x[d]);
    else if (keep)
      shape.emplace_back(1);
  }
  n.give(0, std::move(shape));
}

void shape_arg(SymbolicNode& n) {
  SymbolicShape shape = n.dims(0);
  const std::size_t axis = normalize_axis(n.node, n.node.int_or("axis", 0), shape.size());
  if (n.node.int_or("keepdims", 1) != 0)
    shape[axis] = 1;
  else
    shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  n.give(0, std::move(shape));
}

/// The mean and the inverse deviation behind it are 1 in the normalized part.
void shape_layer_norm(SymbolicNode& n) {
  SymbolicShape statistics = n.dims(0);
  n.give(0, statistics);
  const std::size_t axis = normalize_axis(n.node, n.node.int_or("axis", -1), statistics.size());
  for (std::size_t d = axis; d < statistics.size(); ++d) statistics[d] = 1;
  for (std::size_t i = 1; i < n.outputs.size(); ++i) n.give(i, statistics);
}

}  // namespace edgeclip::engine
