#include "model/ops/attention.h"

#include <ATen/Parallel.h>

#include <cmath>
#include <utility>

#include "base/error.h"
#include "kernels/attention/attention_gradient.h"
#include "kernels/attention/widen.h"
#include "kernels/gemm/gemm.h"
#include "model/ops/first_derivative.h"

namespace edgeclip::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Not differentiated: an input that autograd does not see.
struct Layout {
  Sequences sequences;
  std::int64_t heads;
};

/// Rows [first, first + count) of one head of a matrix (rows, W).
struct Head {
  std::int64_t first, count, h, size;

  template <class T>
  T* in(const torch::Tensor& x) const {
    return static_cast<T*>(x.data_ptr()) + first * x.stride(0) + h * size;
  }
  std::int64_t floats(const torch::Tensor& x) const {
    return x.scalar_type() == torch::kFloat ? 0 : count * size;
  }
};

/// Where kernels read a head: where it lies, or float32 in `space`, which moves behind it.
kernels::HeadRows<const float> read(const torch::Tensor& x, const Head& head, float*& space) {
  if (x.scalar_type() == torch::kFloat) return {head.in<const float>(x), 0, x.stride(0), 0};
  kernels::widen_rows(head.in<const std::uint16_t>(x), x.stride(0), head.count, head.size, space);
  const float* const at = std::exchange(space, space + head.floats(x));
  return {at, 0, head.size, 0};
}

/// Where kernels write it, before finish().
kernels::HeadRows<float> write(const torch::Tensor& x, const Head& head, float*& space) {
  if (x.scalar_type() == torch::kFloat) return {head.in<float>(x), 0, x.stride(0), 0};
  return {std::exchange(space, space + head.floats(x)), 0, head.size, 0};
}

void finish(const torch::Tensor& x, const Head& head, const kernels::HeadRows<float>& written) {
  if (x.scalar_type() == torch::kFloat) return;
  for (std::int64_t t = 0; t < head.count; ++t)
    kernels::narrow_to_bf16(written.at(0, t, 0), head.size, head.in<std::uint16_t>(x) + t * x.stride(0));
}

/// Both passes: a head of a sequence is a task for LibTorch's threads.
class Pass {
 public:
  Pass(const torch::Tensor& q, const torch::Tensor& k, const Layout& layout)
      : sequences_(layout.sequences),
        heads_(layout.heads),
        size_(k.size(1) / layout.heads),
        one_query_(q.size(0) != k.size(0)) {}

  Head queries(std::int64_t b, std::int64_t h) const {
    return one_query_ ? Head{b, 1, h, size_} : keys(b, h);
  }
  Head keys(std::int64_t b, std::int64_t h) const {
    return {sequences_.begin(b), sequences_.length(b), h, size_};
  }
  /// Without operands.
  kernels::Attention problem(std::int64_t queries, std::int64_t keys, std::int64_t first_key) const {
    kernels::Attention p;
    p.batch = p.heads = 1;
    p.queries = queries, p.keys = keys, p.size = size_;
    p.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(size_)));
    p.causal = sequences_.causal && !one_query_;
    if (sequences_.key_bias.defined())
      p.mask = {static_cast<const float*>(sequences_.key_bias.data_ptr<float>()) + first_key, 0, 0, 0, 1};
    return p;
  }
  /// body(b, h, space of so many floats).
  template <class Body>
  void for_each_head(std::int64_t floats, const Body& body) const {
    const std::int64_t step = (floats + 31) / 16 * 16;  // no cache line of two threads
    const torch::Tensor space = torch::empty({at::get_num_threads(), step}, torch::kFloat);
    float* const spaces = space.data_ptr<float>();
    at::parallel_for(0, sequences_.count() * heads_, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        body(i / heads_, i % heads_, spaces + at::get_thread_num() * step);
    });
  }
  /// The problem of the longest sequence, which needs most space.
  kernels::Attention largest() const {
    const std::int64_t length = sequences_.longest();
    return problem(one_query_ ? 1 : length, length, 0);
  }

 private:
  const Sequences& sequences_;
  const std::int64_t heads_, size_;
  const bool one_query_;
};

std::int64_t floats_of(std::size_t bytes) {
  return static_cast<std::int64_t>((bytes + sizeof(float) - 1) / sizeof(float));
}

torch::Tensor attention_forward(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                                const Layout& layout) {
  const Pass pass(q, k, layout);
  torch::Tensor y = torch::empty(q.sizes(), q.options().requires_grad(false));
  const kernels::Attention largest = pass.largest();
  const std::int64_t own = floats_of(kernels::attention_scratch_bytes(largest, 1)),
                     copies = q.scalar_type() == torch::kFloat
                                  ? 0
                                  : 2 * (largest.queries + largest.keys) * largest.size;
  pass.for_each_head(own + copies, [&](std::int64_t b, std::int64_t h, float* space) {
    const Head queries = pass.queries(b, h), keys = pass.keys(b, h);
    kernels::Attention p = pass.problem(queries.count, keys.count, keys.first);
    float* rest = space + own;
    p.q = read(q, queries, rest);
    p.k = read(k, keys, rest);
    p.v = read(v, keys, rest);
    p.y = write(y, queries, rest);
    kernels::attend(p, kernels::serial_executor(), reinterpret_cast<std::byte*>(space));
    finish(y, queries, p.y);
  });
  return y;
}

class FusedAttention : public torch::autograd::Function<FusedAttention> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& q, const torch::Tensor& k,
                               const torch::Tensor& v, const Layout& layout) {
    context->save_for_backward({q, k, v, layout.sequences.key_bias});
    context->saved_data["offsets"] = layout.sequences.offsets;
    context->saved_data["causal"] = layout.sequences.causal;
    context->saved_data["heads"] = layout.heads;
    return attention_forward(q, k, v, layout);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    refuse_second_derivative("attention");
    const auto saved = context->get_saved_variables();
    const torch::Tensor &q = saved[0], &k = saved[1], &v = saved[2];
    Layout layout;
    layout.sequences.offsets = context->saved_data["offsets"].toIntVector();
    layout.sequences.causal = context->saved_data["causal"].toBool();
    layout.sequences.key_bias = saved[3];
    layout.heads = context->saved_data["heads"].toInt();
    const Pass pass(q, k, layout);
    const torch::Tensor g = gradients[0].to(q.scalar_type()).contiguous();
    const auto like = [](const torch::Tensor& x) {
      return torch::empty(x.sizes(), x.options().requires_grad(false));
    };
    const torch::Tensor g_q = like(q), g_k = like(k), g_v = like(v);
    const kernels::Attention largest = pass.largest();
    const std::int64_t own = floats_of(kernels::attention_gradient_scratch_bytes(largest, 1)),
                       copies = q.scalar_type() == torch::kFloat
                                    ? 0
                                    : (3 * largest.queries + 4 * largest.keys) * largest.size;
    pass.for_each_head(own + copies, [&](std::int64_t b, std::int64_t h, float* space) {
      const Head queries = pass.queries(b, h), keys = pass.keys(b, h);
      kernels::AttentionGradient p;
      p.of = pass.problem(queries.count, keys.count, keys.first);
      float* rest = space + own;
      p.of.q = read(q, queries, rest);
      p.of.k = read(k, keys, rest);
      p.of.v = read(v, keys, rest);
      p.g = read(g, queries, rest);
      p.q = write(g_q, queries, rest);
      p.k = write(g_k, keys, rest);
      p.v = write(g_v, keys, rest);
      kernels::attention_gradient(p, kernels::serial_executor(), reinterpret_cast<std::byte*>(space));
      finish(g_q, queries, p.q);
      finish(g_k, keys, p.k);
      finish(g_v, keys, p.v);
    });
    return {g_q, g_k, g_v, {}};
  }
};

/// As kernels read it: elements of a row side by side.
torch::Tensor with_dense_rows(const torch::Tensor& x) { return x.stride(1) == 1 ? x : x.contiguous(); }

}  // namespace

torch::Tensor attention(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                        std::int64_t heads, const Sequences& sequences, double dropout) {
  EDGECLIP_CHECK(k.size(0) == sequences.rows() && v.size(0) == k.size(0), "{} rows for {}", k.size(0),
                 sequences.rows());
  EDGECLIP_CHECK(q.size(0) == k.size(0) || q.size(0) == sequences.count(), "{} queries", q.size(0));
  const torch::ScalarType type = q.scalar_type();
  const bool one_type = k.scalar_type() == type && v.scalar_type() == type;
  if (!q.device().is_cpu() || !one_type || (type != torch::kFloat && type != torch::kBFloat16) ||
      !kernels::attention_takes(k.size(1) / heads) || dropout > 0)
    return attention_reference(q, k, v, heads, sequences, dropout);
  const torch::Tensor rows[] = {with_dense_rows(q), with_dense_rows(k), with_dense_rows(v)};
  const Layout layout{sequences, heads};
  const bool needs_graph = torch::GradMode::is_enabled() &&
                           (q.requires_grad() || k.requires_grad() || v.requires_grad());
  return needs_graph ? FusedAttention::apply(rows[0], rows[1], rows[2], layout)
                     : attention_forward(rows[0], rows[1], rows[2], layout);
}

}  // namespace edgeclip::ops
