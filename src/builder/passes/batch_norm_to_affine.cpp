#include "builder/passes/batch_norm_to_affine.h"

#include <algorithm>
#include <cmath>

#include "builder/passes/pattern.h"
#include "builder/passes/real_constants.h"

// x ─► BatchNormalization(gamma, beta, mean, variance) ─► y      ⇒  ChannelAffine(x, scale, shift)
// with scale = gamma / sqrt(variance + epsilon), shift = beta - mean scale.
// Refuses training mode, outputs besides y, statistics of each element (spatial = 0), and statistics that are
// no constants or do not give finite numbers.
namespace edgeclip::builder {

using namespace engine;

namespace {

bool is_inference(const Node& node) {
  if (node.outputs.size() != 1 || node.int_or("spatial", 1) == 0) return false;
  return node.opset < 7 ? node.int_or("is_test", 0) != 0 : node.int_or("training_mode", 0) == 0;
}

bool rewrite_batch_norm(Graph& graph, const GraphIndex&, std::size_t i) {
  Node& node = graph.nodes()[i];
  if (!node.is("BatchNormalization") || !is_inference(node)) return false;
  std::vector<std::vector<double>> statistics;
  const Tensor* first = real_constant(graph, node.inputs[1]);
  for (std::size_t k = 1; k < 5; ++k) {
    const Tensor* constant = real_constant(graph, node.inputs[k]);
    if (!constant || constant->shape().size() != 1 || constant->shape() != first->shape() ||
        constant->dtype() != first->dtype())
      return false;
    statistics.push_back(reals_of(*constant));
  }
  const double epsilon = static_cast<double>(node.float_or("epsilon", 1e-5F));
  std::vector<double> scale = statistics[0], shift = statistics[1];
  for (std::size_t c = 0; c < scale.size(); ++c) {
    scale[c] /= std::sqrt(statistics[3][c] + epsilon);
    shift[c] -= statistics[2][c] * scale[c];
    if (!std::isfinite(scale[c]) || !std::isfinite(shift[c])) return false;
  }
  const DType dtype = first->dtype();
  const Shape shape = first->shape();
  const ValueId x = node.inputs[0];
  const ValueId scale_id = graph.add_constant(node.name + "/scale", make_reals(dtype, shape, scale)),
                shift_id = graph.add_constant(node.name + "/shift", make_reals(dtype, shape, shift));
  become(node, "ChannelAffine", {x, scale_id, shift_id});
  return true;
}

}  // namespace

int batch_norm_to_affine(Graph& graph) { return rewrite_nodes(graph, rewrite_batch_norm); }

}  // namespace edgeclip::builder
