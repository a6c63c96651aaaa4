// What attend() and its gradient are made of, over vectors of an instruction set; included within a namespace
// and a target region of its own, behind
//   struct Isa { using F = a vector of floats; static constexpr int kLanes, kAccumulators, kValueVectors; };
// and its operations.
//
// Query rows are computed kLanes at a time, one per lane.  So the scores of a key are a vector (over the
// queries), softmax is the same arithmetic in each lane, without sums across lanes, and neither keys nor
// values are transposed, only the queries:
//   weights[j][i] = Σ_d k[j][d] queries[d][i]     k broadcast, a tile of keys × vectors of queries
//   y[i][d]       = Σ_j weights[j][i] v[j][d]     weights broadcast, a tile of queries × vectors of d
// Each element is one chain of fused multiply-adds in the order of d or j: the size of a tile does not show.

using F = Isa::F;
constexpr int kLanes = Isa::kLanes;
constexpr int kVectors = 3;                  // of queries, side by side
constexpr int kQueries = kVectors * kLanes;  // the step from one d, or key, to the next
constexpr int kRowTile = 6;                  // query rows of the second product; divides kQueries
static_assert(kQueries <= kMostQueries && kMostQueries % kQueries == 0 && kQueries % kRowTile == 0);

#define EDGECLIP_INLINE static inline __attribute__((always_inline))

/// Scores are kept in units of ln 2, which makes an exponential a power of two.
constexpr float kLog2E = 1.44269504088896341F;

/// 2^x for x <= 0 within 1 ulp (minimax over [-1/2, 1/2], degree 6); 0 below 2^-125; NaN stays NaN.
EDGECLIP_INLINE F exp2_of_negative(F x) {
  constexpr float kLeast = -125, kRound = 12582912;  // 1.5 * 2^23: its last bits are the integer
  const F clamped = Isa::max_or_second(Isa::set(kLeast), x);
  const F shifted = Isa::add(clamped, Isa::set(kRound));
  const F f = Isa::sub(clamped, Isa::sub(shifted, Isa::set(kRound)));
  F y = Isa::set(1.54614447e-4F);
  y = Isa::fma(y, f, Isa::set(1.34004282e-3F));
  y = Isa::fma(y, f, Isa::set(9.61805668e-3F));
  y = Isa::fma(y, f, Isa::set(5.55032723e-2F));
  y = Isa::fma(y, f, Isa::set(2.40226509e-1F));
  y = Isa::fma(y, f, Isa::set(6.93147207e-1F));
  y = Isa::fma(y, f, Isa::set(1.0F));
  return Isa::zero_where_less(x, Isa::set(kLeast), Isa::add_to_exponent(y, shifted));
}

/// Rows of a head behind one another: from(j) of `size` floats each.
EDGECLIP_INLINE void pack_values(const float* from, std::int64_t step, std::int64_t count, std::int64_t size,
                                 float* to) {
  for (std::int64_t j = 0; j < count; ++j, from += step, to += size)
    for (std::int64_t d = 0; d < size; d += kLanes) Isa::store(to + d, Isa::load(from + d));
}

EDGECLIP_INLINE void pack_keys(const float* from, std::int64_t step, std::int64_t count, std::int64_t size,
                               float* to) {
  for (std::int64_t d0 = 0; d0 < size; d0 += kKeyPiece, to += count * kKeyPiece) {
    const std::int64_t length = size - d0 < kKeyPiece ? size - d0 : kKeyPiece;
    for (std::int64_t j = 0; j < count; ++j)
      for (std::int64_t d = 0; d < length; d += kLanes)
        Isa::store(to + j * kKeyPiece + d, Isa::load(from + j * step + d0 + d));
  }
}

/// queries[d][i] = factor * from[i][d]; zeros in the lanes from `count` on.
static void pack_queries(const float* from, std::int64_t step, std::int64_t count, std::int64_t size,
                         float factor, float* to) {
  for (std::int64_t i = 0; i < count; i += kLanes)
    for (std::int64_t d = 0; d < size; d += kLanes)
      Isa::transpose(from + i * step + d, step, count - i < kLanes ? count - i : kLanes, kLanes, factor,
                     to + d * kQueries + i, kQueries);
}

/// Scores of kKeys keys.
template <int kKeys, int kWidth>
EDGECLIP_INLINE void score_tile(const float* keys, std::int64_t piece, std::int64_t size,
                                const float* queries, float* weights) {
  F sum[kKeys][kWidth];
#pragma GCC unroll 16
  for (int j = 0; j < kKeys; ++j)
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) sum[j][v] = Isa::set(0);
  for (std::int64_t d0 = 0; d0 < size; d0 += kKeyPiece, keys += piece) {
    const std::int64_t length = size - d0 < kKeyPiece ? size - d0 : kKeyPiece;
    for (std::int64_t d = 0; d < length; ++d, queries += kQueries) {
      F q[kWidth];
#pragma GCC unroll 4
      for (int v = 0; v < kWidth; ++v) q[v] = Isa::load(queries + v * kLanes);
#pragma GCC unroll 16
      for (int j = 0; j < kKeys; ++j) {
        const F k = Isa::broadcast(keys + j * kKeyPiece + d);
#pragma GCC unroll 4
        for (int v = 0; v < kWidth; ++v) sum[j][v] = Isa::fma(k, q[v], sum[j][v]);
      }
    }
  }
#pragma GCC unroll 16
  for (int j = 0; j < kKeys; ++j)
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) Isa::store(weights + j * kQueries + v * kLanes, sum[j][v]);
}

/// As many keys at a time as there are registers for: a power of two, so that rests need few forms.
constexpr int keys_of_tile(int width) {
  int keys = 1;
  while (2 * keys * width <= Isa::kAccumulators && keys < 16) keys *= 2;
  return keys;
}

template <int kKeys, int kWidth>
EDGECLIP_INLINE void scores_from(const AttentionScratch& s, std::int64_t j, std::int64_t count,
                                 std::int64_t all, std::int64_t size) {
  for (; j + kKeys <= count; j += kKeys)
    score_tile<kKeys, kWidth>(s.keys + j * kKeyPiece, all * kKeyPiece, size, s.queries,
                              s.weights + j * kQueries);
  if constexpr (kKeys > 1) scores_from<kKeys / 2, kWidth>(s, j, count, all, size);
}

/// Of the first `count` keys, of `all` that are packed.
template <int kWidth>
static void scores(const AttentionScratch& s, std::int64_t count, std::int64_t all, std::int64_t size) {
  scores_from<keys_of_tile(kWidth), kWidth>(s, 0, count, all, size);
}

/// The mask of one head, from its block of query rows on.
struct BlockMask {
  const float* data;
  std::int64_t query, key;
};

/// How many keys come before those at the end that are hidden from all `rows`; at least 1, and at most one
/// vector too many.
EDGECLIP_INLINE std::int64_t visible_keys(const BlockMask& m, std::int64_t rows, std::int64_t keys) {
  if (m.key == 0) return keys;
  const std::int64_t distinct = m.query == 0 ? 1 : rows;
  std::int64_t most = 1;
  for (std::int64_t i = distinct; i-- > 0;) {
    const float* row = m.data + i * m.query;
    std::int64_t j = keys;
    while (j - kLanes >= most && Isa::all_hidden(row + j - kLanes)) j -= kLanes;
    most = j > most ? j : most;
    if (most == keys) break;
  }
  return most;
}

/// weights[j][i] += mask, in units of ln 2.
static void add_mask(const BlockMask& m, std::int64_t rows, std::int64_t keys, float* weights) {
  if (m.query == 0) {
    for (std::int64_t j = 0; j < keys; ++j) {
      const F all = Isa::set(m.data[j * m.key] * kLog2E);
      for (float* at = weights + j * kQueries; at < weights + j * kQueries + rows; at += kLanes)
        Isa::store(at, Isa::add(Isa::load(at), all));
    }
    return;
  }
  if (m.key == 0) {
    for (std::int64_t j = 0; j < keys; ++j)
      for (std::int64_t i = 0; i < rows; ++i) weights[j * kQueries + i] += m.data[i * m.query] * kLog2E;
    return;
  }
  alignas(64) float block[kLanes * kLanes];
  for (std::int64_t j = 0; j < keys; j += kLanes) {
    const std::int64_t count = keys - j < kLanes ? keys - j : kLanes;
    for (std::int64_t i = 0; i < rows; i += kLanes) {
      Isa::transpose(m.data + i * m.query + j, m.query, rows - i < kLanes ? rows - i : kLanes, count, kLog2E,
                     block, kLanes);
      for (std::int64_t c = 0; c < count; ++c) {
        float* at = weights + (j + c) * kQueries + i;
        Isa::store(at, Isa::add(Isa::load(at), Isa::load(block + c * kLanes)));
      }
    }
  }
}

/// Hides key j from the queries before it; `first`: the block's first query.
EDGECLIP_INLINE void hide_later_keys(std::int64_t first, std::int64_t rows, std::int64_t keys,
                                     float* weights) {
  for (std::int64_t j = first + 1; j < keys; ++j)
    for (std::int64_t i = 0; i < rows && i < j - first; ++i) weights[j * kQueries + i] = -__builtin_inff();
}

/// Of each query row of a block.
struct BlockSums {
  alignas(64) float most[kQueries];         ///< its largest score
  alignas(64) float reciprocals[kQueries];  ///< of the sum of its weights; NaN where there is no softmax
};

/// weights = 2^(weights - the most of each lane).
template <int kWidth>
static void softmax(std::int64_t keys, float* weights, BlockSums& sums) {
  F most[kWidth], sum[kWidth];
#pragma GCC unroll 4
  for (int v = 0; v < kWidth; ++v) {
    most[v] = Isa::load(weights + v * kLanes);
    sum[v] = Isa::set(0);
  }
  for (std::int64_t j = 1; j < keys; ++j)
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v)
      most[v] = Isa::max_or_second(Isa::load(weights + j * kQueries + v * kLanes), most[v]);
  for (std::int64_t j = 0; j < keys; ++j)
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) {
      float* at = weights + j * kQueries + v * kLanes;
      const F weight = exp2_of_negative(Isa::sub(Isa::load(at), most[v]));
      sum[v] = Isa::add(sum[v], weight);
      Isa::store(at, weight);
    }
#pragma GCC unroll 4
  for (int v = 0; v < kWidth; ++v) {
    Isa::store(sums.most + v * kLanes, most[v]);
    Isa::store(sums.reciprocals + v * kLanes, Isa::divide(Isa::set(1), sum[v]));
  }
}

/// kRows rows of y by kWidth vectors of their elements.
template <int kRows, int kWidth>
EDGECLIP_INLINE void value_tile(const float* weights, const float* values, std::int64_t size,
                                std::int64_t keys, const float* reciprocals, float* y, std::int64_t y_step) {
  F sum[kRows][kWidth];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) sum[i][v] = Isa::set(0);
  for (std::int64_t j = 0; j < keys; ++j, weights += kQueries, values += size) {
    F value[kWidth];
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) value[v] = Isa::load(values + v * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      const F weight = Isa::broadcast(weights + i);
#pragma GCC unroll 4
      for (int v = 0; v < kWidth; ++v) sum[i][v] = Isa::fma(weight, value[v], sum[i][v]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
    const F factor = Isa::broadcast(reciprocals + i);
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) Isa::store(y + i * y_step + v * kLanes, Isa::mul(sum[i][v], factor));
  }
}

/// All elements of kRows rows.
template <int kRows>
static void value_rows(const float* weights, const float* values, std::int64_t size, std::int64_t keys,
                       const float* reciprocals, float* y, std::int64_t y_step) {
  constexpr int kStep = Isa::kValueVectors * kLanes;
  std::int64_t d = 0;
  for (; d + kStep <= size; d += kStep)
    value_tile<kRows, Isa::kValueVectors>(weights, values + d, size, keys, reciprocals, y + d, y_step);
  for (; d + 2 * kLanes <= size; d += 2 * kLanes)
    value_tile<kRows, 2>(weights, values + d, size, keys, reciprocals, y + d, y_step);
  for (; d < size; d += kLanes)
    value_tile<kRows, 1>(weights, values + d, size, keys, reciprocals, y + d, y_step);
}

/// Calls value_rows<rows>, rows <= kRowTile.
template <int kRows>
EDGECLIP_INLINE void value_rows_of(std::int64_t rows, const float* weights, const float* values,
                                   std::int64_t size, std::int64_t keys, const float* reciprocals, float* y,
                                   std::int64_t y_step) {
  if (rows == kRows) return value_rows<kRows>(weights, values, size, keys, reciprocals, y, y_step);
  if constexpr (kRows > 1)
    value_rows_of<kRows - 1>(rows, weights, values, size, keys, reciprocals, y, y_step);
}

#undef EDGECLIP_INLINE
