#include "engine/cpu/cpu_node.h"
#include "engine/cpu/float_product.h"
#include "engine/cpu/product_slices.h"

namespace edgeclip::engine {

namespace {

using Dims = dnnl::memory::dims;
constexpr std::int64_t kLeastColumns = 8;

/// C = A B, and for Gemm + a third input, added after the scaling.
class MatMulKernel final : public Kernel {
 public:
  struct Slots {
    std::size_t a = 0, c = 0;
    std::optional<std::size_t> b, addend;
  };
  MatMulKernel(DividedCall call, const Slots& slots) : call_(std::move(call)), slots_(slots) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    call_.set(slots_.a, inputs[0].data);
    if (slots_.b) call_.set(*slots_.b, inputs[1].data);
    call_.set(slots_.c, outputs[0].data);
    if (slots_.addend) call_.set(*slots_.addend, inputs[2].data);
    call_.run();
  }

  std::string implementation() const override { return call_.implementation(); }

 private:
  DividedCall call_;
  const Slots slots_;
};

/// The two operands and the result as oneDNN wants them: same rank, dimensions 1 where a batch dimension is
/// broadcast.
struct Operands {
  Matrices a, b, c;
};

class MatMulNode final : public CpuNode {
 public:
  explicit MatMulNode(const PrepareRequest& request)
      : CpuNode(request.node, request.state), weights_(request.constants[1].data) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    if (request.inputs[0].dtype != DType::f32 || request.inputs[1].dtype != DType::f32) return nullptr;
    return node.is("Gemm") ? bind_gemm(request) : bind_plain(request);
  }

  std::unique_ptr<Kernel> bind_plain(const BindRequest& request) const;
  std::unique_ptr<Kernel> bind_gemm(const BindRequest& request) const;
  /// addend: dimensions of what is added, 1 where it is broadcast; none: empty.
  std::unique_ptr<Kernel> bind(const BindRequest& request, const Operands& operands, float alpha,
                               const Dims& addend) const;
  using CpuNode::bind;

  const std::byte* const weights_;  ///< of B where it is a constant
};

std::unique_ptr<Kernel> MatMulNode::bind(const BindRequest& request, const Operands& operands, float alpha,
                                         const Dims& addend) const {
  const bool packed = weights_ != nullptr && operands.b.dims.size() == 2;
  DividedCall call(request);
  MatMulKernel::Slots slots;
  for (const ProductSlice& slice :
       product_slices(operands.a, operands.b, operands.c, request.executor.threads(), packed)) {
    dnnl::primitive_attr attributes = onednn_attributes();
    if (alpha != 1.0f) attributes.set_output_scales(0, {alpha});
    dnnl::memory::desc added;
    std::int64_t added_at = 0;
    if (!addend.empty()) {
      Dims part = addend;
      const Dims strides = dense_strides(addend);
      for (std::size_t d = 0; d < 2; ++d) {
        if (addend[d] == 1) continue;
        part[d] = slice.c.dims[d];
        added_at += (d == 0 ? slice.row : slice.column) * strides[d];
      }
      added = dnnl::memory::desc(part, kF32, strides);
      dnnl::post_ops post;
      post.append_binary(dnnl::algorithm::binary_add, added);
      attributes.set_post_ops(post);
    }
    const dnnl::memory::desc plain = slice.b.desc();
    const std::byte* const weights = packed ? weights_ + slice.b_at * std::int64_t{sizeof(float)} : nullptr;
    const auto describe = [&](const dnnl::memory::desc& b) {
      return dnnl::matmul::primitive_desc({slice.a.desc(), b, slice.c.desc()}, attributes, onednn_engine());
    };
    const auto pd = packed ? describe_packed(state_.weights, weights, plain,
                                             {plain.dims(), kF32, dnnl::memory::format_tag::any}, describe)
                           : describe(plain);
    call.add(dnnl::matmul(pd), pd);
    slots.a = call.bind(DNNL_ARG_SRC, pd.src_desc(), slice.a_at);
    slots.c = call.bind(DNNL_ARG_DST, pd.dst_desc(), slice.c_at);
    if (packed)
      call.bind(DNNL_ARG_WEIGHTS, state_.weights.get(weights, plain, pd.weights_desc()));
    else
      slots.b = call.bind(DNNL_ARG_WEIGHTS, plain, slice.b_at);
    if (!addend.empty())
      slots.addend = call.bind(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, added, added_at);
  }
  return std::make_unique<MatMulKernel>(std::move(call), slots);
}

/// Batch dimensions of `shape` (all but the last two), with ones in front up to `rank`.
Dims batch_dims(const Shape& shape, std::size_t rank) {
  Dims batch(rank, 1);
  for (std::size_t i = 0; i + 2 < shape.size(); ++i) batch[rank - (shape.size() - 2) + i] = shape[i];
  return batch;
}

Dims with_matrix(Dims batch, std::int64_t rows, std::int64_t columns) {
  batch.push_back(rows);
  batch.push_back(columns);
  return batch;
}

std::unique_ptr<Kernel> MatMulNode::bind_plain(const BindRequest& request) const {
  Shape a = request.inputs[0].shape, b = request.inputs[1].shape;
  if (a.empty() || b.empty()) return nullptr;
  if (a.size() == 1) a.insert(a.begin(), 1);  // a row
  if (b.size() == 1) b.push_back(1);          // a column
  const std::int64_t m = a[a.size() - 2], k = a.back(), n = b.back();
  if (b[b.size() - 2] != k) return nullptr;
  if (b.size() == 2) {  // one matrix for every row of A: one product
    const std::int64_t rows = num_elements(a) / k;
    // A constant: by our own products, as FusedMatMul.  Few columns would fill a small part of a panel.
    if (weights_ && n >= kLeastColumns) {
      const TensorView constant{DType::f32, b, weights_};
      return make_float_product({state_.gemm_weights.of_floats(constant, request.executor), rows, nullptr, {}, {}}, request);
    }
    return bind(request, {dense_matrices({rows, k}), dense_matrices({k, n}), dense_matrices({rows, n})}, 1,
                {});
  }
  const std::size_t rank = std::max(a.size(), b.size()) - 2;
  Dims batch_a = batch_dims(a, rank), batch_b = batch_dims(b, rank), batch_c = batch_a;
  if (batch_a == batch_b) {  // attention's Q K^T and P V: one batch dimension runs fastest
    std::int64_t count = 1;
    for (const auto d : batch_a) count *= d;
    batch_a = batch_b = batch_c = {count};
  }
  for (std::size_t i = 0; i < batch_c.size(); ++i) batch_c[i] = std::max(batch_a[i], batch_b[i]);
  if (batch_c.size() > 10) return nullptr;  // oneDNN's limit is 12 dimensions
  return bind(request,
              {dense_matrices(with_matrix(batch_a, m, k)), dense_matrices(with_matrix(batch_b, k, n)),
               dense_matrices(with_matrix(batch_c, m, n))},
              1, {});
}

std::unique_ptr<Kernel> MatMulNode::bind_gemm(const BindRequest& request) const {
  const Shape &a = request.inputs[0].shape, &b = request.inputs[1].shape;
  if (a.size() != 2 || b.size() != 2) return nullptr;
  const bool transpose_a = node.int_or("transA", 0) != 0, transpose_b = node.int_or("transB", 0) != 0;
  const std::int64_t m = a[transpose_a ? 1 : 0], k = a[transpose_a ? 0 : 1], n = b[transpose_b ? 0 : 1];
  if (b[transpose_b ? 1 : 0] != k) return nullptr;
  const Operands operands = {{{m, k}, transpose_a ? Dims{1, m} : Dims{k, 1}},
                             {{k, n}, transpose_b ? Dims{1, k} : Dims{n, 1}},
                             dense_matrices({m, n})};
  const float alpha = node.float_or("alpha", 1);
  const bool has_c = node.has_input(2);
  if (!has_c) return bind(request, operands, alpha, {});
  const Shape& c = request.inputs[2].shape;
  if (node.float_or("beta", 1) != 1.0f || request.inputs[2].dtype != DType::f32 || c.size() > 2)
    return nullptr;
  const Dims dims = {c.size() == 2 ? c[0] : 1, c.empty() ? 1 : c.back()};
  if ((dims[0] != 1 && dims[0] != m) || (dims[1] != 1 && dims[1] != n)) return nullptr;
  return bind(request, operands, alpha, dims);
}

}  // namespace

std::unique_ptr<PreparedNode> prepare_matmul(const PrepareRequest& request) {
  return std::make_unique<MatMulNode>(request);
}

}  // namespace edgeclip::engine
