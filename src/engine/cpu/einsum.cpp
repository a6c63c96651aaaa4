#include "engine/ops/einsum.h"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <optional>
#include <utility>

#include "engine/cpu/axis_map.h"
#include "engine/cpu/cpu_node.h"
#include "engine/cpu/product_slices.h"
#include "engine/ops/support.h"

namespace edgeclip::engine {

namespace {

using Labels = Contraction::Labels;
using Extents = std::map<int, std::int64_t>;

bool has_label(const Labels& labels, int label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

Labels chain(std::initializer_list<Labels> parts) {
  Labels all;
  for (const Labels& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

std::int64_t extent_of(const Labels& labels, const Extents& extents) {
  std::int64_t n = 1;
  for (const int label : labels) n *= extents.at(label);
  return n;
}

/// A contraction of two operands as a product of matrices: batch labels are in both operands and the output,
/// rows in the first and the output, columns in the second and the output, depth in both operands alone.
struct Product {
  std::size_t left = 0;  ///< the operand whose labels are the rows
  Labels batch, rows, columns, depth;
};

/// Nothing where the equation is none: a repeated label, one that is summed in one operand alone, a dimension
/// that broadcasts.
std::optional<Product> product_of(const Contraction& c, const Inputs& inputs) {
  if (c.operands.size() != 2) return {};
  for (std::size_t p = 0; p < 2; ++p)
    for (std::size_t d = 0; d < c.operands[p].size(); ++d)
      if (inputs[p].shape[d] != c.extents.at(c.operands[p][d]) ||
          std::count(c.operands[p].begin(), c.operands[p].end(), c.operands[p][d]) != 1)
        return {};
  Product product;
  // The operand whose own labels end the output has the columns, so that the output need not be turned.
  const auto own = [&](int label, std::size_t p) {
    return has_label(c.operands[p], label) && !has_label(c.operands[1 - p], label);
  };
  if (!c.output.empty() && own(c.output.back(), 0)) product.left = 1;
  const Labels &a = c.operands[product.left], &b = c.operands[1 - product.left];
  for (const int label : c.output) {
    const bool in_a = has_label(a, label), in_b = has_label(b, label);
    (in_a && in_b ? product.batch : in_a ? product.rows : product.columns).push_back(label);
  }
  for (const int label : c.summed) {
    if (!has_label(a, label) || !has_label(b, label)) return {};
    product.depth.push_back(label);
  }
  // In the order of the operand that has fewer columns to turn: the second one.
  std::sort(product.depth.begin(), product.depth.end(), [&](int x, int y) {
    return std::find(b.begin(), b.end(), x) < std::find(b.begin(), b.end(), y);
  });
  return product;
}

/// A tensor with labels `from` copied into the order `to`.
std::unique_ptr<Kernel> make_turn(kernels::Executor& executor, const Labels& from, const Labels& to,
                                  const Extents& extents) {
  Shape shape;
  for (const int label : from) shape.push_back(extents.at(label));
  const Shape strides = strides_of(shape);
  AxisMap map;
  for (const int label : to) {
    const auto d = static_cast<std::size_t>(std::find(from.begin(), from.end(), label) - from.begin());
    std::vector<std::int64_t> places;
    for (std::int64_t i = 0; i < extents.at(label); ++i) places.push_back(i * strides[d]);
    map.from.push_back(std::move(places));
  }
  return make_axis_map(executor, std::move(map), DType::f32);
}

/// One side of the product, or its result: where it lies, or where in the scratch its turned copy does.
struct Side {
  std::unique_ptr<Kernel> turn;  ///< none: it is used as it lies
  Inputs from = Inputs(1);
  Outputs to = Outputs(1);
  std::size_t offset = 0, argument = 0;  ///< of the copy in the scratch; of the call
};

class EinsumKernel final : public Kernel {
 public:
  EinsumKernel(DividedCall call, Scratch& scratch, std::size_t left, Side a, Side b, Side result)
      : call_(std::move(call)),
        scratch_(scratch),
        left_(left),
        a_(std::move(a)),
        b_(std::move(b)),
        result_(std::move(result)) {}

  void run(const Inputs& inputs, const Outputs& outputs) override {
    call_.set(a_.argument, turned(a_, inputs[left_].data));
    call_.set(b_.argument, turned(b_, inputs[1 - left_].data));
    call_.set(result_.argument, result_.turn ? scratch_.data() + result_.offset : outputs[0].data);
    call_.run();
    if (!result_.turn) return;
    result_.from[0].data = scratch_.data() + result_.offset;
    result_.to[0].data = outputs[0].data;
    result_.turn->run(result_.from, result_.to);
  }

  std::string implementation() const override { return call_.implementation(); }

 private:
  const std::byte* turned(Side& side, const std::byte* data) const {
    if (!side.turn) return data;
    side.from[0].data = data;
    side.to[0].data = scratch_.data() + side.offset;
    side.turn->run(side.from, side.to);
    return side.to[0].data;
  }

  DividedCall call_;
  Scratch& scratch_;
  const std::size_t left_;
  Side a_, b_, result_;
};

class EinsumNode final : public CpuNode {
 public:
  explicit EinsumNode(const PrepareRequest& request) : CpuNode(request.node, request.state) {}

 private:
  std::unique_ptr<Kernel> bind_fast(const BindRequest& request) const override {
    for (const TensorView& input : request.inputs)
      if (input.dtype != DType::f32) return nullptr;
    const Contraction c = contraction_of(node, request.inputs);
    const auto product = product_of(c, request.inputs);
    if (!product) return nullptr;
    const std::int64_t batch = extent_of(product->batch, c.extents),
                       rows = extent_of(product->rows, c.extents),
                       columns = extent_of(product->columns, c.extents),
                       depth = extent_of(product->depth, c.extents);
    Side a, b, result;
    const Matrices a_lies = describe(request.executor, c.operands[product->left], product->batch,
                                     product->rows, product->depth, c.extents, {batch, rows, depth}, a);
    const Matrices b_lies = describe(request.executor, c.operands[1 - product->left], product->batch,
                                     product->depth, product->columns, c.extents, {batch, depth, columns}, b);
    const Labels natural = chain({product->batch, product->rows, product->columns});
    if (natural != c.output) result.turn = make_turn(request.executor, natural, c.output, c.extents);
    const Matrices y_lies = dense_matrices({batch, rows, columns});
    DividedCall call(request);
    for (const ProductSlice& slice :
         product_slices(a_lies, b_lies, y_lies, request.executor.threads(), false)) {
      const dnnl::matmul::primitive_desc pd({slice.a.desc(), slice.b.desc(), slice.c.desc()},
                                            onednn_attributes(), onednn_engine());
      call.add(dnnl::matmul(pd), pd);
      a.argument = call.bind(DNNL_ARG_SRC, pd.src_desc(), slice.a_at);
      b.argument = call.bind(DNNL_ARG_WEIGHTS, pd.weights_desc(), slice.b_at);
      result.argument = call.bind(DNNL_ARG_DST, pd.dst_desc(), slice.c_at);
    }
    std::size_t used = (call.scratch_bytes() + 63) / 64 * 64;
    const auto place = [&](Side& one, const Matrices& lies) {
      one.offset = used;
      if (one.turn) used += (lies.desc().get_size() + 63) / 64 * 64;
    };
    place(a, a_lies);
    place(b, b_lies);
    place(result, y_lies);
    request.scratch.reserve(used);
    return std::make_unique<EinsumKernel>(std::move(call), request.scratch, product->left, std::move(a),
                                          std::move(b), std::move(result));
  }

  /// (batch, outer, inner) as it lies, with the last two the other way round, or copied.
  static Matrices describe(kernels::Executor& executor, const Labels& own, const Labels& batch,
                           const Labels& outer, const Labels& inner, const Extents& extents,
                           const dnnl::memory::dims& dims, Side& side) {
    if (own == chain({batch, inner, outer}) && own != chain({batch, outer, inner}))
      return {dims, {dims[1] * dims[2], 1, dims[1]}};
    const Labels wanted = chain({batch, outer, inner});
    if (own != wanted) side.turn = make_turn(executor, own, wanted, extents);
    return dense_matrices(dims);
  }
};

}  // namespace

std::unique_ptr<PreparedNode> prepare_einsum(const PrepareRequest& request) {
  return std::make_unique<EinsumNode>(request);
}

}  // namespace edgeclip::engine
