#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/graph/graph.h"
#include "engine/graph/symbolic_dim.h"

/// The operators' shape rules for dimensions that are not known yet.  They stand beside the rules of ops/,
/// which alone refuse: a rule here may take for granted that the node fits, and says nothing where it cannot
/// tell.
namespace edgeclip::engine {

/// Values of at most this many elements are computed while shapes are inferred: more than any shape needs,
/// little enough to cost nothing.
inline constexpr std::int64_t kSmallValue = 4096;
/// More dimensions than that, and more elements known in symbols, are taken as unknown.
inline constexpr std::size_t kMostDims = 64, kMostElements = 256;

/// What is known of one value whatever the sizes of the dynamic dimensions are.
struct SymbolicValue {
  std::optional<DType> dtype;
  std::optional<SymbolicShape> shape;
  std::optional<Tensor> data;  ///< where all of it is known
  /// Of a small integer or bool value that is known in part, in row-major order.  Unknown elements are
  /// unknown().
  std::optional<std::vector<SymbolicDim>> elements;

  /// The shape if it holds no symbol.
  std::optional<Shape> concrete() const;
  /// From data or elements; nothing for floats, large values and where nothing is known.
  std::optional<std::vector<SymbolicDim>> known_elements() const;
};

/// A node with what is known of its inputs, and its outputs to be filled.
struct SymbolicNode {
  const Node& node;
  std::vector<const SymbolicValue*> inputs;  ///< nullptr where left out
  std::vector<SymbolicValue> outputs;

  bool has(std::size_t i) const { return i < inputs.size() && inputs[i] != nullptr; }
  const SymbolicShape& dims(std::size_t i) const { return *inputs.at(i)->shape; }
  std::size_t rank(std::size_t i) const { return dims(i).size(); }
  /// How many elements input i, a list, has; nothing if that is not known.
  std::optional<std::size_t> length(std::size_t i) const;
  /// The integers of the attribute `name`, or of input i, or `otherwise`; nothing where they are not known.
  /// Of an input whose length alone is known: as many unknown ones.
  std::optional<std::vector<SymbolicDim>> ints(const char* name, std::size_t i,
                                               const std::vector<SymbolicDim>& otherwise) const;
  /// The same where each of them is a constant.
  std::optional<std::vector<std::int64_t>> constants(const char* name, std::size_t i,
                                                     const std::vector<std::int64_t>& otherwise) const;
  void give(std::size_t output, SymbolicShape shape) {
    if (output < outputs.size()) outputs[output].shape = std::move(shape);
  }
};

struct SymbolicRule {
  /// Element type of an output; nothing if not known.
  std::optional<DType> (*dtype)(const SymbolicNode&, std::size_t output);
  /// Gives shapes to outputs.  Called when the shapes of all inputs are known.  May throw InvalidInput, which
  /// gives none.
  void (*shapes)(SymbolicNode&);
};

/// nullptr if the operator has none.
const SymbolicRule* find_symbolic_rule(const Node& node);

/// Elements of the outputs, whose shapes are known and hold no symbol, from those of the inputs, of which
/// some are symbolic.  Does nothing for other operators than those that exporters compute shapes with.
void compute_elements(SymbolicNode& context);

// The rules by family, a file each.
void same_shape(SymbolicNode&);  ///< all outputs as input 0
void shape_dropout(SymbolicNode&);
void shape_dynamic_quantize(SymbolicNode&);
void shape_quantize_rows(SymbolicNode&);
void shape_affine_quantize_rows(SymbolicNode&);
void shape_layer_norm_quantize(SymbolicNode&);
void shape_elementwise(SymbolicNode&);

void shape_reshape(SymbolicNode&);
void shape_flatten(SymbolicNode&);
void shape_squeeze(SymbolicNode&);
void shape_unsqueeze(SymbolicNode&);
void shape_shape(SymbolicNode&);
void shape_scalar(SymbolicNode&);
void shape_constant_of_shape(SymbolicNode&);
void shape_range(SymbolicNode&);
void shape_expand(SymbolicNode&);
void shape_tile(SymbolicNode&);

void shape_transpose(SymbolicNode&);
void shape_concat(SymbolicNode&);
/// Input 0 with the channels of the inputs from kFurther on (ops/joined_channels.h).
template <std::size_t kFurther>
void shape_channels_in_parts(SymbolicNode& n) {
  SymbolicShape shape = n.dims(0);
  for (std::size_t i = kFurther; i < n.inputs.size() && shape.size() > 1; ++i) {
    if (!n.has(i) || n.rank(i) != shape.size()) return;
    shape[1] = shape[1] + n.dims(i)[1];
  }
  n.give(0, std::move(shape));
}
void shape_split(SymbolicNode&);
void shape_slice(SymbolicNode&);
void shape_pad(SymbolicNode&);
void shape_gather(SymbolicNode&);
void shape_quant_gather(SymbolicNode&);
void shape_gather_elements(SymbolicNode&);
void shape_gather_nd(SymbolicNode&);
void shape_one_hot(SymbolicNode&);
void shape_topk(SymbolicNode&);
void shape_depth_to_space(SymbolicNode&);
void shape_space_to_depth(SymbolicNode&);

void shape_conv(SymbolicNode&);
void shape_conv_transpose(SymbolicNode&);
void shape_pool(SymbolicNode&);
void shape_global_pool(SymbolicNode&);
void shape_resize(SymbolicNode&);
void shape_grid_sample(SymbolicNode&);
void shape_affine_grid(SymbolicNode&);

void shape_matmul(SymbolicNode&);
void shape_gemm(SymbolicNode&);
void shape_attention(SymbolicNode&);
void shape_fused_attention(SymbolicNode&);
void shape_token_merge(SymbolicNode&);
void shape_einsum(SymbolicNode&);
void shape_reduce(SymbolicNode&);
void shape_arg(SymbolicNode&);
void shape_layer_norm(SymbolicNode&);

}  // namespace edgeclip::engine
