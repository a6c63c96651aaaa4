#include "builder/precision/narrow_weights.h"

#include <cmath>
#include <map>

#include "base/float16.h"
#include "builder/passes/pattern.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

class Narrower {
 public:
  Narrower(Graph& graph, DType dtype) : graph_(graph), dtype_(dtype) {}

  /// The constant in 16 bits, made once however many nodes read it; kNoValue where it stays.
  ValueId narrowed(ValueId id) {
    const auto found = made_.find(id);
    if (found != made_.end()) return found->second;
    ValueId result = kNoValue;
    const auto& constant = graph_.value(id).constant;
    if (constant && constant->dtype() == DType::f32 && holds(*constant)) {
      Tensor tensor(dtype_, constant->shape());
      narrow(constant->data<float>(), dtype_, tensor.raw(), constant->elements());
      result = graph_.add_constant(graph_.value(id).name, std::move(tensor));
      ++count_;
    }
    return made_[id] = result;
  }

  int count() const { return count_; }

 private:
  bool holds(const Tensor& tensor) const {
    if (dtype_ != DType::f16) return true;
    for (std::int64_t i = 0; i < tensor.elements(); ++i)
      if (std::fabs(tensor.data<float>()[i]) > 65504.0f) return false;
    return true;
  }

  Graph& graph_;
  const DType dtype_;
  std::map<ValueId, ValueId> made_;
  int count_ = 0;
};

bool is_matrix_product(const Graph& graph, const Node& node) {
  if (!node.is("MatMul")) return false;
  const Value &a = graph.value(node.inputs[0]), &w = graph.value(node.inputs[1]);
  return w.is_constant() && w.constant->shape().size() == 2 && a.shape && a.shape->size() >= 2 &&
         !a.is_constant();
}

/// FusedConv has one to three spatial dimensions.
bool has_fused_form(const Graph& graph, const Node& conv) {
  const auto& weights = graph.value(conv.inputs[1]).constant;
  return weights && weights->shape().size() >= 3 && weights->shape().size() <= 5;
}

void narrow_table(Graph& graph, std::size_t i, ValueId narrow) {
  const ValueId result = graph.nodes()[i].outputs[0];
  Value rows = graph.value(result);
  rows.name += ".narrow";
  rows.dtype = graph.value(narrow).dtype;
  const ValueId between = graph.add_value(std::move(rows));
  Node cast;
  cast.name = graph.nodes()[i].name + ".widen";
  cast.op = "Cast";
  cast.opset = 13;
  cast.inputs = {between};
  cast.outputs = {result};
  cast.attributes["to"] = std::int64_t{1};  // TensorProto.FLOAT
  cast.origins = graph.nodes()[i].origins;
  graph.nodes()[i].inputs[0] = narrow;
  graph.nodes()[i].outputs[0] = between;
  graph.add_node(std::move(cast), i + 1);
}

}  // namespace

int narrow_weights(Graph& graph, DType dtype) {
  Narrower narrower(graph, dtype);
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    Node& node = graph.nodes()[i];
    const bool conv = node.is("Conv") && has_fused_form(graph, node), product = is_matrix_product(graph, node),
               table = node.is("Gather") && node.int_or("axis", 0) == 0;
    if (!conv && !product && !table && !node.is("FusedConv", "edgeclip") &&
        !node.is("FusedMatMul", "edgeclip"))
      continue;
    const std::size_t weights = table ? 0 : 1;
    const ValueId narrow = narrower.narrowed(node.inputs[weights]);
    if (narrow == kNoValue) continue;
    if (table) {
      narrow_table(graph, i, narrow);
      ++i;
      continue;
    }
    Node& changed = graph.nodes()[i];
    changed.inputs[1] = narrow;
    if (conv || product) {
      changed.op = conv ? "FusedConv" : "FusedMatMul";
      changed.domain = "edgeclip";
      changed.opset = 1;
    }
  }
  if (narrower.count() > 0) graph.remove_dead();
  return narrower.count();
}

}  // namespace edgeclip::builder
