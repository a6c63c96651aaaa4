#pragma once

#include <limits>
#include <memory>
#include <utility>

#include "engine/cpu/divided_call.h"
#include "engine/cpu/gemm_weights.h"

/// A family of fast kernels is a file: a CpuNode whose prepare function stands in the table of families.cpp
/// beside the operators it takes.
namespace edgeclip::engine {

/// What the nodes of a session share.
struct CpuState {
  PackedWeights weights{};
  GemmWeights gemm_weights{};
};

/// A node of which there is a fast form.  Where the shapes do not fit it (or this oneDNN lacks them on this
/// CPU) bind() falls back to the reference kernel.
class CpuNode : public PreparedNode {
 public:
  CpuNode(const Node& node, CpuState& state) : PreparedNode(node), state_(state) {}
  std::unique_ptr<Kernel> bind(const BindRequest& request) const final;

 protected:
  /// Inputs from this one on are lists, which may be empty though there is something to do: that is how some
  /// exporters leave them out.
  virtual std::size_t data_inputs() const { return std::numeric_limits<std::size_t>::max(); }
  /// nullptr where the shapes do not fit; no output and none of the data inputs is empty.  May throw
  /// dnnl::error.
  virtual std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const = 0;

  CpuState& state_;
};

/// What a family sees of a node.
struct PrepareRequest {
  const Node& node;
  const Inputs& constants;  ///< data is null for what is no constant; they live as long as the session
  CpuState& state;

  bool is_constant(std::size_t i) const { return i < constants.size() && constants[i].data != nullptr; }
};

/// nullptr where the node is none of the family's.
using Prepare = std::unique_ptr<PreparedNode> (*)(const PrepareRequest&);

/// An operator and the family that takes it.
struct Family {
  const char* op;
  const char* domain;
  Prepare prepare;
  const char* condition;  ///< in words, for documentation: which nodes it does not leave to the reference
  /// The input that its kernels read from GemmWeights alone, and preparing a node does not read; -1: none.
  int packed_input = -1;
};
const std::vector<Family>& families();

/// All plain but input 0 and the outputs, which lie as input 0 does.
Layouts as_first_input(const Inputs& inputs, const Outputs& outputs, const std::vector<Layout>& given);
/// All plain but input 0 and the outputs, which are channels_last if input 0 is float32, uint8 or int8 of a
/// rank that fast kernels have.
Layouts channels_last_through(const Inputs& inputs, const Outputs& outputs);
/// The inputs that are parts of one whole, and the outputs, lie channels_last if one of those inputs does; all
/// others plain.
Layouts joined_layouts(const Inputs& inputs, const Outputs& outputs, const std::vector<Layout>& given,
                       const std::vector<std::size_t>& parts);
/// (N, C, spatial...) in the order of its bytes: (N, spatial..., C) where it is channels_last.
Shape stored_shape(const Shape& shape, Layout layout);

/// A primitive whose slices bind one source and then one destination, of the node's first input and output.
class UnaryOneDnnKernel final : public Kernel {
 public:
  explicit UnaryOneDnnKernel(DividedCall call) : call_(std::move(call)) {}
  void run(const Inputs& inputs, const Outputs& outputs) override;
  std::string implementation() const override { return call_.implementation(); }

 private:
  static constexpr std::size_t kSource = 0, kDestination = 1;  ///< slots
  DividedCall call_;
};

/// A copy between two ways in which elements of `dims` lie (strides in elements), divided among the threads.
std::unique_ptr<Kernel> make_strided_copy(kernels::Executor& executor, Scratch& scratch,
                                          const dnnl::memory::dims& dims, const dnnl::memory::dims& from,
                                          const dnnl::memory::dims& to, dnnl::memory::data_type type);

/// Below this loops are not worth waking other threads.
inline constexpr std::int64_t kParallelElements = 1 << 14;
/// Fewer than this are not worth handing to a thread by themselves.
inline constexpr std::int64_t kChunkElements = kParallelElements / 4;

/// body(begin, end) over stretches of [0, n), divided among the threads.
template <class Body>
void parallel_elements(kernels::Executor& executor, std::int64_t n, const Body& body) {
  if (n > kParallelElements)
    kernels::parallel_chunks(executor, n, kChunkElements, body, 64);
  else
    body(std::int64_t{0}, n);
}

/// body(row) for each of `rows` of `width` elements, divided among the threads.
template <class Body>
void parallel_rows(kernels::Executor& executor, std::int64_t rows, std::int64_t width, const Body& body) {
  const auto stretch = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) body(row);
  };
  if (rows * width > kParallelElements)
    kernels::parallel_chunks(executor, rows, kChunkElements / width, stretch);
  else
    stretch(0, rows);
}

// float32, if nothing else is said.

/// edgeclip.FusedMatMul: act(A W + bias) + residual, leading dimensions of A flattened; weights packed once.
std::unique_ptr<PreparedNode> prepare_fused_matmul(const PrepareRequest& request);
/// edgeclip.QuantMatMul and QuantConv, cpu/int8_products.h.
std::unique_ptr<PreparedNode> prepare_quant_matmul(const PrepareRequest& request);
std::unique_ptr<PreparedNode> prepare_quant_conv(const PrepareRequest& request);
/// QuantizeLinear to and DequantizeLinear from uint8 and int8 with one scale, in any layout, and
/// edgeclip.QuantizeRows: bit-equal to the reference.
std::unique_ptr<PreparedNode> prepare_scaled(const PrepareRequest& request);
std::unique_ptr<PreparedNode> prepare_quantize_rows(const PrepareRequest& request);
/// DynamicQuantizeLinear: bit-equal to the reference.
std::unique_ptr<PreparedNode> prepare_dynamic_quantize(const PrepareRequest& request);
/// QLinearMatMul and QLinearConv of which all but the activations is constant: by QuantMatMul and QuantConv.
std::unique_ptr<PreparedNode> prepare_qlinear_matmul(const PrepareRequest& request);
std::unique_ptr<PreparedNode> prepare_qlinear_conv(const PrepareRequest& request);
/// MatMulInteger and ConvInteger by constant weights; the zero point of the activations is one number.
std::unique_ptr<PreparedNode> prepare_matmul_integer(const PrepareRequest& request);
std::unique_ptr<PreparedNode> prepare_conv_integer(const PrepareRequest& request);
/// MatMul (batched, with broadcast batch dimensions) and Gemm (any transposition and alpha; beta 1).
std::unique_ptr<PreparedNode> prepare_matmul(const PrepareRequest& request);
/// Conv and edgeclip.FusedConv over one to three spatial dimensions, groups and dilations included, channels
/// last; constant weights are packed once.
std::unique_ptr<PreparedNode> prepare_conv(const PrepareRequest& request);
/// ConvTranspose over one to three spatial dimensions, channels last.
std::unique_ptr<PreparedNode> prepare_conv_transpose(const PrepareRequest& request);
/// MaxPool (without indices) and AveragePool over one to three spatial dimensions, channels last.
std::unique_ptr<PreparedNode> prepare_pool(const PrepareRequest& request);
/// GlobalAveragePool, GlobalMaxPool; ReduceMean, ReduceSum, ReduceMax over neighbouring axes.
std::unique_ptr<PreparedNode> prepare_reduce(const PrepareRequest& request);
/// LayerNormalization over the last axis, edgeclip.LayerNormQuantizeRows.
std::unique_ptr<PreparedNode> prepare_layer_norm(const PrepareRequest& request);
std::unique_ptr<PreparedNode> prepare_layer_norm_quantize(const PrepareRequest& request);
/// edgeclip.L2Normalize over the last axis.
std::unique_ptr<PreparedNode> prepare_l2_normalize(const PrepareRequest& request);
/// Softmax, LogSoftmax over any one axis.
std::unique_ptr<PreparedNode> prepare_softmax(const PrepareRequest& request);
/// edgeclip.MaskedSoftmax.
std::unique_ptr<PreparedNode> prepare_masked_softmax(const PrepareRequest& request);
/// edgeclip.FusedAttention by kernels/attention.
std::unique_ptr<PreparedNode> prepare_fused_attention(const PrepareRequest& request);
/// edgeclip.TokenMerge.
std::unique_ptr<PreparedNode> prepare_token_merge(const PrepareRequest& request);
/// Add, Sub, Mul, Div, Max, Min where one side has the output's shape (the left one for Sub and Div).
std::unique_ptr<PreparedNode> prepare_binary(const PrepareRequest& request);
/// Relu, Sigmoid, Tanh, Exp, ... (the table in eltwise.cpp), in any layout.
std::unique_ptr<PreparedNode> prepare_eltwise(const PrepareRequest& request);
/// Transpose of any element type of 1 or 4 bytes.
std::unique_ptr<PreparedNode> prepare_transpose(const PrepareRequest& request);
/// Concat, Split, Slice (bounds that are constants or follow from shapes) and Expand of any element type: copies of blocks, in any layout but
/// for Expand.
std::unique_ptr<PreparedNode> prepare_concat(const PrepareRequest& request);
std::unique_ptr<PreparedNode> prepare_split(const PrepareRequest& request);
std::unique_ptr<PreparedNode> prepare_slice(const PrepareRequest& request);
std::unique_ptr<PreparedNode> prepare_expand(const PrepareRequest& request);
/// edgeclip.ChannelShuffle of any element type, edgeclip.ChannelAffine, in any layout.
std::unique_ptr<PreparedNode> prepare_channel_shuffle(const PrepareRequest& request);
std::unique_ptr<PreparedNode> prepare_channel_affine(const PrepareRequest& request);
/// Gather of any element type.
std::unique_ptr<PreparedNode> prepare_gather(const PrepareRequest& request);
/// edgeclip.QuantGather.
std::unique_ptr<PreparedNode> prepare_quant_gather(const PrepareRequest& request);
/// Equal of int32, int64 and float32 (equal shapes, or one element on a side); ArgMax of those types, the
/// first of the largest; GatherND of any element type.
std::unique_ptr<PreparedNode> prepare_equal(const PrepareRequest& request);
std::unique_ptr<PreparedNode> prepare_argmax(const PrepareRequest& request);
std::unique_ptr<PreparedNode> prepare_gather_nd(const PrepareRequest& request);
/// Cast between float32, 16-bit floats, bool and the integers of indices.
std::unique_ptr<PreparedNode> prepare_cast(const PrepareRequest& request);
/// Operators of any type, element by element, by the reference kernel on all threads (cpu/parts.h).
std::unique_ptr<PreparedNode> prepare_elementwise(const PrepareRequest& request);
/// TopK, CumSum, CumProd (constant axis), Trilu, Hardmax, LpNormalization and reductions that no loop of their
/// own is for: the same, what lies before the axis divided.
std::unique_ptr<PreparedNode> prepare_rows(const PrepareRequest& request);
/// GridSample: the same, samples and channels divided.
std::unique_ptr<PreparedNode> prepare_grid_sample(const PrepareRequest& request);
/// Pad, Tile, DepthToSpace and SpaceToDepth of any element type, in any layout.
std::unique_ptr<PreparedNode> prepare_pad(const PrepareRequest& request);
std::unique_ptr<PreparedNode> prepare_tile(const PrepareRequest& request);
std::unique_ptr<PreparedNode> prepare_depth_space(const PrepareRequest& request);
/// Resize and Upsample in any layout: to the nearest of any element type, linear and cubic.
std::unique_ptr<PreparedNode> prepare_resize(const PrepareRequest& request);
/// InstanceNormalization and GroupNormalization; RMSNormalization; BatchNormalization, in any layout.
std::unique_ptr<PreparedNode> prepare_group_norm(const PrepareRequest& request);
std::unique_ptr<PreparedNode> prepare_rms_norm(const PrepareRequest& request);
std::unique_ptr<PreparedNode> prepare_batch_norm(const PrepareRequest& request);
/// GatherElements, ScatterElements; ScatterND: of any element type, and added up.
std::unique_ptr<PreparedNode> prepare_elements(const PrepareRequest& request);
std::unique_ptr<PreparedNode> prepare_scatter_nd(const PrepareRequest& request);
/// Einsum of two operands that is a product of matrices.
std::unique_ptr<PreparedNode> prepare_einsum(const PrepareRequest& request);

/// For nodes of several families: Resize to the nearest; Transpose of any element type and rank.  nullptr
/// where the dimensions are too long.
std::unique_ptr<Kernel> bind_nearest(const Node& node, const BindRequest& request);
std::unique_ptr<Kernel> bind_permutation(const BindRequest& request, const std::vector<std::int64_t>& order);

}  // namespace edgeclip::engine
