#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/ops/convert.h"
#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// Attention of opsets 23 to 25 (later ones are the same): softmax(softcap(scale Q K') + bias) V per head.
/// Query heads share key heads in groups (GQA); keys and values may be appended to a cache.  After the ONNX
/// operator documentation, with its errata of release 1.23: a query that may look at no key gives zeros, not
/// NaN.
namespace edgeclip::engine {

namespace {

/// The inputs by position.
enum AttentionInput : std::size_t { kQuery, kKey, kValue, kMask, kPastKey, kPastValue, kKeyLengths };

/// (batch, heads, length, size) of the three operands, also where they came packed as (batch, length, heads *
/// size).
struct AttentionShape {
  bool packed = false;
  std::int64_t batch = 0, q_heads = 0, kv_heads = 0, q_length = 0, kv_length = 0, size = 0, v_size = 0;
  std::int64_t past = 0;
  std::int64_t total = 0;  ///< past + kv_length: the keys a query may look at
};

std::int64_t head_count(const Node& node, const char* attribute, std::int64_t hidden) {
  const std::int64_t heads = node.int_or(attribute, 0);
  if (heads < 1) refuse(node, "inputs of 3 dimensions need {}", attribute);
  if (hidden % heads != 0) refuse(node, "{} is {} for a width of {}", attribute, heads, hidden);
  return heads;
}

/// Throws InvalidInput if the shapes do not fit.
AttentionShape attention_shape(const Node& node, const Inputs& inputs) {
  const Shape &q = inputs[kQuery].shape, &k = inputs[kKey].shape, &v = inputs[kValue].shape;
  const auto misfit = [&] {
    refuse(node, "Q {}, K {} and V {} do not fit", shape_string(q), shape_string(k), shape_string(v));
  };
  if ((q.size() != 3 && q.size() != 4) || k.size() != q.size() || v.size() != q.size()) misfit();
  AttentionShape s;
  s.packed = q.size() == 3;
  s.batch = q[0];
  if (s.packed) {
    s.q_heads = head_count(node, "q_num_heads", q[2]);
    s.kv_heads = head_count(node, "kv_num_heads", k[2]);
    head_count(node, "kv_num_heads", v[2]);
    s.size = q[2] / s.q_heads;
    s.v_size = v[2] / s.kv_heads;
    if (k[2] / s.kv_heads != s.size) misfit();
  } else {
    s.q_heads = q[1];
    s.kv_heads = k[1];
    s.size = q[3];
    s.v_size = v[3];
    if (k[3] != s.size || v[1] != s.kv_heads) misfit();
    for (const auto& [attribute, heads] :
         {std::pair{"q_num_heads", s.q_heads}, std::pair{"kv_num_heads", s.kv_heads}})
      if (node.has(attribute) && node.int_or(attribute, 0) != heads)
        refuse(node, "{} is {} for {} heads", attribute, node.int_or(attribute, 0), heads);
  }
  const std::size_t length = s.packed ? 1 : 2;
  s.q_length = q[length];
  s.kv_length = k[length];
  if (k[0] != s.batch || v[0] != s.batch || v[length] != s.kv_length || s.size < 1) misfit();
  if (s.kv_heads < 1 || s.q_heads % s.kv_heads != 0)
    refuse(node, "{} query heads for {} key heads", s.q_heads, s.kv_heads);

  if (node.has_input(kPastKey) != node.has_input(kPastValue))
    refuse(node, "past_key and past_value belong together");
  if (node.has_input(kPastKey)) {
    const Shape &past_k = inputs[kPastKey].shape, &past_v = inputs[kPastValue].shape;
    if (past_k.size() == 4) s.past = past_k[2];
    if (past_k != Shape{s.batch, s.kv_heads, s.past, s.size} ||
        past_v != Shape{s.batch, s.kv_heads, s.past, s.v_size})
      refuse(node, "past_key {} and past_value {} do not fit K {} and V {}", shape_string(past_k),
             shape_string(past_v), shape_string(k), shape_string(v));
  }
  if (__builtin_add_overflow(s.past, s.kv_length, &s.total)) refuse(node, "output size overflows");
  return s;
}

/// The mask's own shape, broadcast to (batch, heads, queries, keys).  Since opset 24 it may end early: the
/// keys beyond are masked.
bool mask_may_end_early(const Node& node) { return node.opset >= 24; }

void check_attention_mask(const ShapeContext& context, const AttentionShape& s) {
  const Node& node = context.node;
  const TensorView& mask = context.inputs[kMask];
  if (mask.dtype != DType::boolean &&
      computed_dtype(mask.dtype) != computed_dtype(context.inputs[kQuery].dtype))
    unsupported(node, "a mask of {} is not there, only bool and the type of Q", dtype_name(mask.dtype));
  if (mask.shape.empty()) refuse(node, "the mask is a scalar");
  Shape full = {s.batch, s.q_heads, s.q_length, s.total};
  if (mask_may_end_early(node) && mask.shape.back() < s.total) full.back() = mask.shape.back();
  if (!broadcasts_to(mask.shape, full))
    refuse(node, "mask {} does not broadcast to {}", shape_string(mask.shape), shape_string(full));
}

/// softmax_precision may also name the type of Q, which is what it is without: 16-bit floats are computed in
/// float32.
void check_attention_attributes(const Node& node, DType query) {
  const std::int64_t mode = node.int_or("qk_matmul_output_mode", 0),
                     precision = node.int_or("softmax_precision", 0);
  if (mode < 0 || mode > 3) refuse(node, "qk_matmul_output_mode is {}", mode);
  if (precision != 0 && precision != 1 && precision != 11 && onnx_dtype(precision) != query)
    unsupported(node, "softmax_precision {} is not there, only float32 (1), float64 (11) and the type of Q",
                precision);
  for (const char* window : {"left_window_size", "right_window_size"})
    if (node.int_or(window, -1) < -1) refuse(node, "{} is {}", window, node.int_or(window, -1));
}

void infer_attention(ShapeContext& context) {
  const Node& node = context.node;
  require_float(context, kQuery);
  for (const std::size_t i : {kKey, kValue, kPastKey, kPastValue})
    if (node.has_input(i)) require_same_dtype(context, kQuery, i);
  check_attention_attributes(node, context.inputs[kQuery].dtype);
  const AttentionShape s = attention_shape(node, context.inputs);
  if (node.has_input(kMask)) check_attention_mask(context, s);
  if (node.has_input(kKeyLengths)) {
    if (node.has_input(kPastKey)) refuse(node, "nonpad_kv_seqlen and past_key exclude each other");
    if (context.inputs[kKeyLengths].dtype != DType::i64)
      refuse(node, "nonpad_kv_seqlen must be int64, not {}", dtype_name(context.inputs[kKeyLengths].dtype));
    if (context.inputs[kKeyLengths].shape != Shape{s.batch})
      refuse(node, "nonpad_kv_seqlen is {}, not one for each of {}",
             shape_string(context.inputs[kKeyLengths].shape), s.batch);
  }
  const DType dtype = context.inputs[kQuery].dtype;
  std::int64_t width = 0;
  if (__builtin_mul_overflow(s.q_heads, s.v_size, &width)) refuse(node, "output size overflows");
  add_output(context, dtype,
             s.packed ? Shape{s.batch, s.q_length, width} : Shape{s.batch, s.q_heads, s.q_length, s.v_size});
  add_output(context, dtype, {s.batch, s.kv_heads, s.total, s.size});
  add_output(context, dtype, {s.batch, s.kv_heads, s.total, s.v_size});
  add_output(context, dtype, {s.batch, s.q_heads, s.q_length, s.total});
}

/// Rows of one operand by (batch, head, position), whichever way it is laid out.
struct HeadRows {
  bool packed;
  std::int64_t heads, length, size;
  std::int64_t offset(std::int64_t b, std::int64_t h, std::int64_t i) const {
    return (packed ? (b * length + i) * heads + h : (b * heads + h) * length + i) * size;
  }
};

/// past followed by fresh, as (batch, heads, total, size).
template <class T>
void join_cache(const T* past, const T* fresh, const HeadRows& rows, std::int64_t past_length,
                std::int64_t batch, T* joined) {
  if (rows.size == 0 || past_length + rows.length == 0) return;
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t h = 0; h < rows.heads; ++h) {
      if (past_length > 0)
        joined = std::copy_n(past + (b * rows.heads + h) * past_length * rows.size, past_length * rows.size,
                             joined);
      for (std::int64_t i = 0; i < rows.length; ++i)
        joined = std::copy_n(fresh + rows.offset(b, h, i), rows.size, joined);
    }
}

/// What is added to the scores: 0 or -inf where keys are masked, or the mask's floats.
class AttentionBias {
 public:
  AttentionBias(const Node& node, const Inputs& inputs, const AttentionShape& s)
      : s_(s),
        causal_(node.int_or("is_causal", 0) != 0),
        left_(node.int_or("left_window_size", -1)),
        right_(node.int_or("right_window_size", -1)) {
    if (node.has_input(kMask)) {
      mask_ = &inputs[kMask];
      Shape full = {s.batch, s.q_heads, s.q_length, s.total};
      if (mask_may_end_early(node)) full.back() = mask_length_ = std::min(mask_->shape.back(), s.total);
      strides_ = broadcast_strides(mask_->shape, full);
      if (!mask_may_end_early(node)) mask_length_ = s.total;
    }
    if (node.has_input(kKeyLengths)) {
      lengths_ = inputs[kKeyLengths].as<std::int64_t>();
      for (std::int64_t b = 0; b < s.batch; ++b)
        if (lengths_[b] < 0 || lengths_[b] > s.total)
          refuse(node, "nonpad_kv_seqlen is {} for {} keys", lengths_[b], s.total);
    }
  }

  /// Of query i of a head, for all keys.
  template <class T>
  void row(std::int64_t b, std::int64_t h, std::int64_t i, std::vector<double>& bias) const {
    // Keys before this block of queries: its queries stand at offset, offset + 1, ...
    const std::int64_t offset = lengths_ ? lengths_[b] - s_.q_length : s_.past, position = offset + i;
    for (std::int64_t j = 0; j < s_.total; ++j) {
      const bool hidden = (causal_ && j > position) || (left_ >= 0 && position - j > left_) ||
                          (right_ >= 0 && j - position > right_) || (lengths_ && j >= lengths_[b]);
      double value = hidden ? -std::numeric_limits<double>::infinity() : 0;
      if (mask_) value += mask_value<T>(b, h, i, j);
      bias[static_cast<std::size_t>(j)] = value;
    }
  }

 private:
  template <class T>
  double mask_value(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) const {
    if (j >= mask_length_) return -std::numeric_limits<double>::infinity();
    const std::int64_t at = b * strides_[0] + h * strides_[1] + i * strides_[2] + j * strides_[3];
    if (mask_->dtype != DType::boolean) return static_cast<double>(mask_->as<T>()[at]);
    return mask_->as<bool>()[at] ? 0 : -std::numeric_limits<double>::infinity();
  }

  const AttentionShape& s_;
  bool causal_;
  std::int64_t left_, right_;
  const TensorView* mask_ = nullptr;
  std::int64_t mask_length_ = 0;
  Shape strides_;
  const std::int64_t* lengths_ = nullptr;
};

/// In place.  All zero where every key is masked, which the bias says: the scores there may be NaN.
void attention_softmax(std::vector<double>& scores, const std::vector<double>& bias, bool in_float) {
  constexpr double kHidden = -std::numeric_limits<double>::infinity();
  if (std::all_of(bias.begin(), bias.end(), [](double x) { return x == kHidden; }))
    return std::fill(scores.begin(), scores.end(), 0.0);
  if (in_float)
    for (double& x : scores) x = static_cast<double>(static_cast<float>(x));
  const double most = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& x : scores) sum += x = most == kHidden ? 0 : std::exp(x - most);
  if (sum == 0) return;
  for (double& x : scores) x /= sum;
}

template <class T>
void attend(const Node& node, const Inputs& inputs, const Outputs& outputs, const AttentionShape& s) {
  const std::size_t cached = static_cast<std::size_t>(s.batch * s.kv_heads * s.total);
  std::vector<T> keys(cached * static_cast<std::size_t>(s.size)),
      values(cached * static_cast<std::size_t>(s.v_size));
  const bool has_past = node.has_input(kPastKey);
  join_cache(has_past ? inputs[kPastKey].as<T>() : nullptr, inputs[kKey].as<T>(),
             {s.packed, s.kv_heads, s.kv_length, s.size}, s.past, s.batch, keys.data());
  join_cache(has_past ? inputs[kPastValue].as<T>() : nullptr, inputs[kValue].as<T>(),
             {s.packed, s.kv_heads, s.kv_length, s.v_size}, s.past, s.batch, values.data());
  if (outputs.size() > 1) std::copy(keys.begin(), keys.end(), outputs[1].as<T>());
  if (outputs.size() > 2) std::copy(values.begin(), values.end(), outputs[2].as<T>());
  if (s.batch == 0 || s.q_heads == 0 || s.q_length == 0) return;

  const double scale = node.has("scale") ? static_cast<double>(node.float_or("scale", 1))
                                         : 1 / std::sqrt(static_cast<double>(s.size));
  const auto softcap = static_cast<double>(node.float_or("softcap", 0));
  const std::int64_t mode = node.int_or("qk_matmul_output_mode", 0),
                     precision = node.int_or("softmax_precision", 0);
  const bool in_float = precision != 11 && (precision != 0 || std::is_same_v<T, float>);
  const HeadRows q_rows{s.packed, s.q_heads, s.q_length, s.size},
      y_rows{s.packed, s.q_heads, s.q_length, s.v_size};
  const AttentionBias mask(node, inputs, s);
  std::vector<double> scores(static_cast<std::size_t>(s.total)), bias(scores.size());
  T* shown = outputs.size() > 3 ? outputs[3].as<T>() : nullptr;  // qk_matmul_output, row after row
  const auto show = [&](std::int64_t stage) {
    if (!shown || stage != mode) return;
    for (const double x : scores) *shown++ = static_cast<T>(x);
  };
  for (std::int64_t b = 0; b < s.batch; ++b) {
    for (std::int64_t h = 0; h < s.q_heads; ++h) {
      const std::int64_t first = (b * s.kv_heads + h / (s.q_heads / s.kv_heads)) * s.total;
      for (std::int64_t i = 0; i < s.q_length; ++i) {
        const T* q = inputs[kQuery].as<T>() + q_rows.offset(b, h, i);
        for (std::int64_t j = 0; j < s.total; ++j) {
          const T* k = keys.data() + (first + j) * s.size;
          double sum = 0;
          for (std::int64_t c = 0; c < s.size; ++c)
            sum += static_cast<double>(q[c]) * static_cast<double>(k[c]);
          scores[static_cast<std::size_t>(j)] = sum * scale;
        }
        show(0);
        if (softcap > 0)
          for (double& x : scores) x = softcap * std::tanh(x / softcap);
        show(1);
        mask.row<T>(b, h, i, bias);
        for (std::size_t j = 0; j < scores.size(); ++j) scores[j] += bias[j];
        show(2);
        attention_softmax(scores, bias, in_float);
        show(3);
        T* y = outputs[0].as<T>() + y_rows.offset(b, h, i);
        for (std::int64_t c = 0; c < s.v_size; ++c) {
          double sum = 0;
          for (std::int64_t j = 0; j < s.total; ++j)
            sum += scores[static_cast<std::size_t>(j)] *
                   static_cast<double>(values[static_cast<std::size_t>((first + j) * s.v_size + c)]);
          y[c] = static_cast<T>(sum);
        }
      }
    }
  }
}

void run_attention(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const AttentionShape s = attention_shape(node, inputs);
  visit_float(node, inputs[kQuery].dtype,
              [&](auto type) { attend<decltype(type)>(node, inputs, outputs, s); });
}

}  // namespace

#define EDGECLIP_ATTENTION_23 \
  "is_causal:i kv_num_heads:i q_num_heads:i qk_matmul_output_mode:i scale:f softcap:f softmax_precision:i"

const std::vector<Operator>& attention_operators() {
  static const std::vector<Operator> rows = {
      {"Attention", "", 23, 23, infer_attention, run_attention, 3, 6, 4, EDGECLIP_ATTENTION_23},
      // with nonpad_kv_seqlen
      {"Attention", "", 24, 24, infer_attention, run_attention, 3, 7, 4, EDGECLIP_ATTENTION_23},
      {"Attention", "", 25, kNewestOpset, infer_attention, run_attention, 3, 7, 4,
       EDGECLIP_ATTENTION_23 " left_window_size:i right_window_size:i"},
  };
  return rows;
}
#undef EDGECLIP_ATTENTION_23

}  // namespace edgeclip::engine
