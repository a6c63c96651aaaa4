#include "engine/ops/families.h"
#include "engine/ops/indices.h"
#include "engine/ops/support.h"

/// RotaryEmbedding (RoPE, arXiv 2104.09864): pairs of elements of each head turned by an angle that grows
/// with the token's position.
namespace edgeclip::engine {

namespace {

/// x is (batch, heads, tokens, size), or packed as (batch, tokens, heads * size).
struct RotaryShape {
  bool packed = false;
  std::int64_t batch = 0, heads = 0, tokens = 0, size = 0;
  std::int64_t pairs = 0;  ///< of each head that turn; the elements after 2 * pairs stay
};

/// Inputs x, cos, sin, position_ids: the tables are (positions, pairs) with position_ids (batch, tokens), and
/// (batch, tokens, pairs) without.  Throws InvalidInput if the shapes do not fit.
RotaryShape rotary_shape(const Node& node, const Inputs& inputs) {
  const Shape &x = inputs[0].shape, &cos = inputs[1].shape, &sin = inputs[2].shape;
  RotaryShape s;
  s.packed = x.size() == 3;
  if (!s.packed && x.size() != 4)
    refuse(node, "input 0 must have 3 or 4 dimensions, not {}", shape_string(x));
  s.batch = x[0];
  s.tokens = x[s.packed ? 1 : 2];
  if (s.packed) {
    s.heads = node.int_or("num_heads", 0);
    if (s.heads < 1 || x[2] % s.heads != 0) refuse(node, "num_heads is {} for a width of {}", s.heads, x[2]);
    s.size = x[2] / s.heads;
  } else {
    s.heads = x[1];
    s.size = x[3];
  }
  const std::int64_t given = node.int_or("rotary_embedding_dim", 0), turned = given == 0 ? s.size : given;
  if (turned < 0 || turned > s.size || turned % 2 != 0)
    refuse(node, "{} of {} elements of a head cannot turn in pairs", turned, s.size);
  s.pairs = turned / 2;
  if (cos != sin) refuse(node, "cos_cache {} and sin_cache {} differ", shape_string(cos), shape_string(sin));
  if (node.has_input(3)) {
    if (inputs[3].shape != Shape{s.batch, s.tokens})
      refuse(node, "position_ids are {}, not ({}, {})", shape_string(inputs[3].shape), s.batch, s.tokens);
    if (cos.size() != 2 || cos[1] != s.pairs)
      refuse(node, "cos_cache is {}, not (positions, {})", shape_string(cos), s.pairs);
  } else if (cos != Shape{s.batch, s.tokens, s.pairs}) {
    refuse(node, "cos_cache is {}, not ({}, {}, {})", shape_string(cos), s.batch, s.tokens, s.pairs);
  }
  return s;
}

void infer_rotary_embedding(ShapeContext& context) {
  require_float(context, 0);
  require_same_dtype(context, 0, 1);
  require_same_dtype(context, 0, 2);
  if (context.node.has_input(3) && context.inputs[3].dtype != DType::i64)
    refuse(context.node, "position_ids must be int64, not {}", dtype_name(context.inputs[3].dtype));
  rotary_shape(context.node, context.inputs);
  infer_same(context);
}

/// (a, b) -> (a cos - b sin, a sin + b cos), where a and b are neighbours if interleaved, and else half the
/// turned part apart.
void run_rotary_embedding(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const RotaryShape s = rotary_shape(node, inputs);
  const bool interleaved = node.int_or("interleaved", 0) != 0;
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    for (std::int64_t b = 0; b < s.batch; ++b) {
      for (std::int64_t t = 0; t < s.tokens; ++t) {
        std::int64_t row = b * s.tokens + t;
        if (node.has_input(3)) row = Indices(inputs[3]).at(node, row, inputs[1].shape[0]);
        const T *cos = inputs[1].as<T>() + row * s.pairs, *sin = inputs[2].as<T>() + row * s.pairs;
        for (std::int64_t h = 0; h < s.heads; ++h) {
          const std::int64_t at =
              (s.packed ? (b * s.tokens + t) * s.heads + h : (b * s.heads + h) * s.tokens + t) * s.size;
          const T* x = inputs[0].as<T>() + at;
          T* y = outputs[0].as<T>() + at;
          for (std::int64_t p = 0; p < s.pairs; ++p) {
            const std::int64_t i = interleaved ? 2 * p : p, j = interleaved ? i + 1 : p + s.pairs;
            y[i] = x[i] * cos[p] - x[j] * sin[p];
            y[j] = x[i] * sin[p] + x[j] * cos[p];
          }
          for (std::int64_t i = 2 * s.pairs; i < s.size; ++i) y[i] = x[i];
        }
      }
    }
  });
}

}  // namespace

const std::vector<Operator>& rotary_operators() {
  static const std::vector<Operator> rows = {
      {"RotaryEmbedding", "", 23, kNewestOpset, infer_rotary_embedding, run_rotary_embedding, 3, 4, 1,
       "interleaved:i num_heads:i rotary_embedding_dim:i"},
  };
  return rows;
}

}  // namespace edgeclip::engine
