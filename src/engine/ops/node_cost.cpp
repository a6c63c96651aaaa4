#include "engine/ops/node_cost.h"

#include <algorithm>

#include "engine/ops/einsum.h"
#include "engine/ops/support.h"
#include "engine/ops/token_merge.h"

namespace edgeclip::engine {

namespace {

/// Elements of one filter: (M, C / group, kernel...) without its first dimension.
std::int64_t filter_elements(const Shape& w) { return product(w, 1, w.size()); }

/// y (N, M, spatial...): every element is a sum over a filter of w, which is input W.
template <std::size_t W>
std::int64_t conv_macs(const Node&, const Inputs& inputs, const Outputs& outputs) {
  return outputs[0].elements() * filter_elements(inputs[W].shape);
}

/// x (N, C, spatial...) by w (C, M / group, kernel...): every element of x goes into as many of y.
std::int64_t conv_transpose_macs(const Node&, const Inputs& inputs, const Outputs&) {
  return inputs[0].elements() * filter_elements(inputs[1].shape);
}

/// Every element of a matrix product is a sum over A's last dimension.
std::int64_t product_macs(const Node&, const Inputs& inputs, const Outputs& outputs) {
  return inputs[0].shape.empty() ? 0 : outputs[0].elements() * inputs[0].shape.back();
}

/// A (..., K) by W (K, N).  The output may be larger: a residual broadcasts it.
std::int64_t quant_product_macs(const Node&, const Inputs& inputs, const Outputs&) {
  return inputs[1].shape.empty() ? 0 : inputs[0].elements() * inputs[1].shape.back();
}

std::int64_t gemm_macs(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  return outputs[0].elements() * inputs[0].shape.at(node.int_or("transA", 0) != 0 ? 0 : 1);
}

/// Scores (queries x keys over the width of a key) and mixing (queries x keys times the width of a value).
std::int64_t attention_macs(const Node& node, const Inputs& inputs, const Outputs&) {
  const Shape &q = inputs[0].shape, &k = inputs[1].shape, &v = inputs[2].shape;
  const bool packed = q.size() == 3;
  const std::int64_t past = node.has_input(4) ? inputs[4].shape.at(2) : 0;
  const std::int64_t heads = packed ? node.int_or("q_num_heads", 1) : q.at(1),
                     kv_heads = packed ? node.int_or("kv_num_heads", 1) : k.at(1);
  const std::int64_t width = packed ? q[2] / heads : q.at(3), v_width = packed ? v[2] / kv_heads : v.at(3);
  const std::int64_t queries = packed ? q[1] : q[2], keys = past + (packed ? k[1] : k[2]);
  return q[0] * heads * queries * keys * (width + v_width);
}

std::int64_t fused_attention_macs(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const std::int64_t keys = inputs[node.has_input(1) ? 1 : 0].shape.at(1);
  return 2 * outputs[0].elements() * keys;
}

/// Each source's key by each target's.
std::int64_t token_merge_macs(const Node& node, const Inputs& inputs, const Outputs&) {
  const TokenMerge p = token_merge_problem(node, inputs);
  return p.batch * p.sources() * p.targets() * p.size;
}

std::int64_t einsum_macs(const Node& node, const Inputs& inputs, const Outputs&) {
  return einsum_multiplications(node, inputs);
}

struct Row {
  const char* op;
  const char* domain;
  std::int64_t (*macs)(const Node&, const Inputs&, const Outputs&);
};

constexpr const char* kOwn = "edgeclip";

const Row kRows[] = {
    {"Conv", "", conv_macs<1>},
    {"FusedConv", kOwn, conv_macs<1>},
    {"QuantConv", kOwn, conv_macs<1>},
    {"ConvInteger", "", conv_macs<1>},
    {"QLinearConv", "", conv_macs<3>},
    {"ConvTranspose", "", conv_transpose_macs},
    {"MatMul", "", product_macs},
    {"FusedMatMul", kOwn, product_macs},
    {"MatMulInteger", "", product_macs},
    {"QLinearMatMul", "", product_macs},
    {"QuantMatMul", kOwn, quant_product_macs},
    {"Gemm", "", gemm_macs},
    {"Attention", "", attention_macs},
    {"FusedAttention", kOwn, fused_attention_macs},
    {"TokenMerge", kOwn, token_merge_macs},
    {"Einsum", "", einsum_macs},
};

}  // namespace

std::int64_t multiply_accumulates(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  for (const Row& row : kRows)
    if (node.is(row.op, row.domain)) return row.macs(node, inputs, outputs);
  return 0;
}

std::int64_t bytes_moved(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const bool part = node.op.find("Gather") != std::string::npos || node.is("Slice");
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    // A change of layout, which the runtime adds, names no inputs.
    if (!node.inputs.empty() && !node.has_input(i)) continue;
    std::int64_t elements = inputs[i].elements();
    if (part && i == 0) elements = std::min(elements, outputs[0].elements());
    bytes += elements * static_cast<std::int64_t>(dtype_size(inputs[i].dtype));
  }
  for (const OutputView& output : outputs) bytes += static_cast<std::int64_t>(output.view().bytes());
  return bytes;
}

}  // namespace edgeclip::engine
