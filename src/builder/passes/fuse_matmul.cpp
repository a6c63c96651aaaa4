#include "builder/passes/fuse_matmul.h"

#include <algorithm>

#include "builder/passes/activation_by.h"
#include "builder/passes/pattern.h"
#include "engine/graph/shape_inference.h"

// A ─► MatMul(W) ─► Add(b) ─► [Relu | Gelu | QuickGelu] ─► [Add ─► ] y      ⇒  FusedMatMul(A, W, b, residual;
// activation)
//                                      residual ────►┘
// Step by step, each giving a node that is right by itself:
//   MatMul + Add(b), Gemm         ⇒ FusedMatMul          FusedMatMul + an activation   ⇒ FusedMatMul
//   FusedMatMul + Add(residual)   ⇒ FusedMatMul
// W: constant (K, N); b: constant (N).  A Gemm's transposed weights are stored the right way round.
// Refuses: vectors for A; alpha, beta other than 1 and a transposed A; a residual that is not provably of the
// result's shape (it would have to be broadcast); a second activation or residual, an activation after the
// residual; intermediates with other readers or that are graph outputs.
namespace edgeclip::builder {

using namespace engine;

namespace {

class FuseMatMul {
 public:
  explicit FuseMatMul(const Graph& graph) : facts_(graph) {}

  bool operator()(Graph& graph, const GraphIndex& index, std::size_t i) const {
    Node& node = graph.nodes()[i];
    if (node.is("Gemm")) return rewrite_gemm(graph, node);
    if (node.is("Add")) return add_bias(graph, index, node) || add_residual(index, node);
    const Activation activation = activation_by(graph, node);
    return activation != Activation::kNone && add_activation(index, node, activation);
  }

 private:
  static const Tensor* constant(const Graph& graph, ValueId id, std::size_t rank) {
    const auto& tensor = graph.value(id).constant;
    const bool fits = tensor && tensor->shape().size() == rank &&
                      (tensor->dtype() == DType::f32 || tensor->dtype() == DType::f64);
    return fits ? &*tensor : nullptr;
  }

  bool add_bias(const Graph& graph, const GraphIndex& index, Node& node) const {
    for (const std::size_t side : {0, 1}) {
      const Node* matmul = index.inner(node.inputs[side], "MatMul");
      if (!matmul) continue;
      const Tensor* weights = constant(graph, matmul->inputs[1], 2);
      const Tensor* bias = constant(graph, node.inputs[1 - side], 1);
      const auto a = facts_.shape(matmul->inputs[0]);
      if (!weights || !bias || bias->dim(0) != weights->dim(1) || bias->dtype() != weights->dtype() || !a ||
          a->size() < 2)
        continue;
      become(node, "FusedMatMul", {matmul->inputs[0], matmul->inputs[1], node.inputs[1 - side]});
      return true;
    }
    return false;
  }

  static bool rewrite_gemm(Graph& graph, Node& node) {
    if (node.float_or("alpha", 1) != 1 || node.float_or("beta", 1) != 1 || node.int_or("transA", 0) != 0)
      return false;
    const Tensor* weights = constant(graph, node.inputs[1], 2);
    if (!weights) return false;
    const bool transposed = node.int_or("transB", 0) != 0;
    std::vector<ValueId> inputs = {node.inputs[0], node.inputs[1]};
    if (node.has_input(2)) {
      const Tensor* bias = constant(graph, node.inputs[2], 1);
      if (!bias || bias->dim(0) != weights->dim(transposed ? 0 : 1) || bias->dtype() != weights->dtype())
        return false;
      inputs.push_back(node.inputs[2]);
    }
    if (transposed)
      inputs[1] = graph.add_constant(graph.value(node.inputs[1]).name + ".T", transpose(*weights));
    become(node, "FusedMatMul", std::move(inputs));
    return true;
  }

  static Tensor transpose(const Tensor& x) {
    Tensor y(x.dtype(), {x.dim(1), x.dim(0)});
    const std::size_t size = dtype_size(x.dtype());
    for (std::int64_t r = 0; r < x.dim(0); ++r)
      for (std::int64_t c = 0; c < x.dim(1); ++c)
        std::copy_n(x.raw() + static_cast<std::size_t>(r * x.dim(1) + c) * size, size,
                    y.raw() + static_cast<std::size_t>(c * x.dim(0) + r) * size);
    return y;
  }

  static bool has_residual(const Node& fused) { return fused.inputs.size() > 3; }

  static bool add_activation(const GraphIndex& index, Node& node, const Activation& activation) {
    const Node* fused = index.inner(node.inputs[0], "FusedMatMul", "edgeclip");
    if (!fused || has_residual(*fused) || activation_of(*fused) != Activation::kNone ||
        !is_product_activation(activation))
      return false;
    auto attributes = fused->attributes;
    set_activation(attributes, activation);
    become(node, "FusedMatMul", fused->inputs, std::move(attributes));
    return true;
  }

  bool add_residual(const GraphIndex& index, Node& node) const {
    for (const std::size_t side : {1, 0}) {
      const Node* fused = index.inner(node.inputs[side], "FusedMatMul", "edgeclip");
      const ValueId residual = node.inputs[1 - side];
      if (!fused || has_residual(*fused) || !facts_.same(node.inputs[side], residual)) continue;
      std::vector<ValueId> inputs = fused->inputs;
      inputs.resize(3, kNoValue);
      inputs.push_back(residual);
      become(node, "FusedMatMul", std::move(inputs), fused->attributes);
      return true;
    }
    return false;
  }

  ShapeFacts facts_;
};

}  // namespace

int fuse_matmul(Graph& graph) { return rewrite_nodes(graph, FuseMatMul(graph)); }

}  // namespace edgeclip::builder
