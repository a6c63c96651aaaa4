// The inside of attention_gradient(), behind attention_parts.inl.  Weights and slopes are laid out as attend()'s
// weights are, [key][query], so that the sums over keys (rows of q') and over queries (rows of k' and v') read
// the same array, the latter along its rows.

#define EDGECLIP_INLINE static inline __attribute__((always_inline))

/// kRows rows of y by kWidth vectors of their elements += Σ_i weights[row][i] rows_of_queries[i].
template <int kRows, int kWidth>
EDGECLIP_INLINE void key_tile(const float* weights, const float* query, std::int64_t size,
                              std::int64_t queries, float* y, std::int64_t y_step) {
  F sum[kRows][kWidth];
#pragma GCC unroll 8
  for (int j = 0; j < kRows; ++j)
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) sum[j][v] = Isa::load(y + j * y_step + v * kLanes);
  for (std::int64_t i = 0; i < queries; ++i, ++weights, query += size) {
    F value[kWidth];
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) value[v] = Isa::load(query + v * kLanes);
#pragma GCC unroll 8
    for (int j = 0; j < kRows; ++j) {
      const F weight = Isa::broadcast(weights + j * kQueries);
#pragma GCC unroll 4
      for (int v = 0; v < kWidth; ++v) sum[j][v] = Isa::fma(weight, value[v], sum[j][v]);
    }
  }
#pragma GCC unroll 8
  for (int j = 0; j < kRows; ++j)
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) Isa::store(y + j * y_step + v * kLanes, sum[j][v]);
}

/// All elements of kRows rows.
template <int kRows>
static void key_rows(const float* weights, const float* query, std::int64_t size, std::int64_t queries,
                     float* y, std::int64_t y_step) {
  constexpr int kStep = Isa::kValueVectors * kLanes;
  std::int64_t d = 0;
  for (; d + kStep <= size; d += kStep)
    key_tile<kRows, Isa::kValueVectors>(weights, query + d, size, queries, y + d, y_step);
  for (; d < size; d += kLanes) key_tile<kRows, 1>(weights, query + d, size, queries, y + d, y_step);
}

/// All `keys` rows, kRows at a time and the rest by fewer.
template <int kRows>
static void sum_over_queries(const float* weights, const float* query, std::int64_t size,
                             std::int64_t queries, std::int64_t keys, float* y, std::int64_t y_step) {
  std::int64_t j = 0;
  for (; j + kRows <= keys; j += kRows)
    key_rows<kRows>(weights + j * kQueries, query, size, queries, y + j * y_step, y_step);
  if constexpr (kRows > 1)
    if (j < keys)
      sum_over_queries<kRows / 2>(weights + j * kQueries, query, size, queries, keys - j, y + j * y_step,
                                  y_step);
}

/// weights: exponentials to P; slopes: g vᵀ to S.
template <int kWidth>
static void slopes_of(std::int64_t keys, float scale, const BlockSums& sums, float* weights, float* slopes) {
  F reciprocal[kWidth], mean[kWidth];
#pragma GCC unroll 4
  for (int v = 0; v < kWidth; ++v) {
    reciprocal[v] = Isa::load(sums.reciprocals + v * kLanes);
    mean[v] = Isa::set(0);
  }
  for (std::int64_t j = 0; j < keys; ++j)
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) {
      float* const at = weights + j * kQueries + v * kLanes;
      const F weight = Isa::mul(Isa::load(at), reciprocal[v]);
      mean[v] = Isa::fma(weight, Isa::load(slopes + j * kQueries + v * kLanes), mean[v]);
      Isa::store(at, weight);
    }
  const F factor = Isa::set(scale);
  for (std::int64_t j = 0; j < keys; ++j)
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) {
      float* const at = slopes + j * kQueries + v * kLanes;
      const F weight = Isa::mul(Isa::load(weights + j * kQueries + v * kLanes), factor);
      Isa::store(at, Isa::mul(weight, Isa::sub(Isa::load(at), mean[v])));
    }
}

template <int kWidth>
static void weights_and_slopes(const Attention& p, const AttentionGradientScratch& s, const BlockMask& mask,
                               std::int64_t i, std::int64_t rows, std::int64_t keys) {
  scores<kWidth>(s.weights, keys, p.keys, p.size);
  if (mask.data) add_mask(mask, rows, keys, s.weights.weights);
  if (p.causal) hide_later_keys(i, rows, keys, s.weights.weights);
  BlockSums sums;
  softmax<kWidth>(keys, s.weights.weights, sums);
  scores<kWidth>(s.slopes, keys, p.keys, p.size);
  slopes_of<kWidth>(keys, p.scale, sums, s.weights.weights, s.slopes.weights);
}

/// The part that query rows [i, i + rows) have in k' and v', and their rows of q'.
static void gradient_of_block(const AttentionGradient& gradient, std::int64_t b, std::int64_t h,
                              const AttentionGradientScratch& s, std::int64_t i, std::int64_t rows) {
  const Attention& p = gradient.of;
  std::int64_t keys = p.keys;
  if (p.causal && i + rows < keys) keys = i + rows;
  BlockMask mask{nullptr, p.mask.query, p.mask.key};
  if (p.mask.data) {
    mask.data = p.mask.data + b * p.mask.batch + h * p.mask.head + i * p.mask.query;
    keys = visible_keys(mask, rows, keys);
  }
  pack_values(p.q.at(b, i, h), p.q.row, rows, p.size, s.query_rows);
  pack_values(gradient.g.at(b, i, h), gradient.g.row, rows, p.size, s.gradient_rows);
  pack_queries(s.query_rows, p.size, rows, p.size, p.scale * kLog2E, s.weights.queries);
  pack_queries(s.gradient_rows, p.size, rows, p.size, 1, s.slopes.queries);
  const std::int64_t width = (rows + kLanes - 1) / kLanes;
  if (width == 1)
    weights_and_slopes<1>(p, s, mask, i, rows, keys);
  else if (width == 2)
    weights_and_slopes<2>(p, s, mask, i, rows, keys);
  else
    weights_and_slopes<3>(p, s, mask, i, rows, keys);

  alignas(64) float ones[kRowTile];
  for (float& one : ones) one = 1;
  float* const q = gradient.q.at(b, i, h);
  for (std::int64_t r = 0; r < rows; r += kRowTile) {
    const std::int64_t count = rows - r < kRowTile ? rows - r : kRowTile;
    const std::int64_t seen = p.causal && i + r + count < keys ? i + r + count : keys;
    value_rows_of<kRowTile>(count, s.slopes.weights + r, s.weights.values, p.size, seen, ones,
                            q + r * gradient.q.row, gradient.q.row);
  }
  sum_over_queries<kRowTile>(s.slopes.weights, s.query_rows, p.size, rows, keys, gradient.k.at(b, 0, h),
                             gradient.k.row);
  sum_over_queries<kRowTile>(s.weights.weights, s.gradient_rows, p.size, rows, keys, gradient.v.at(b, 0, h),
                             gradient.v.row);
}

static void gradient_of_head(const AttentionGradient& gradient, std::int64_t b, std::int64_t h,
                             const AttentionGradientScratch& s) {
  const Attention& p = gradient.of;
  for (const HeadRows<float>& to : {gradient.k, gradient.v})
    for (std::int64_t j = 0; j < p.keys; ++j)
      for (std::int64_t d = 0; d < p.size; d += kLanes) Isa::store(to.at(b, j, h) + d, Isa::set(0));
  pack_keys(p.k.at(b, 0, h), p.k.row, p.keys, p.size, s.weights.keys);
  pack_values(p.k.at(b, 0, h), p.k.row, p.keys, p.size, s.weights.values);
  pack_keys(p.v.at(b, 0, h), p.v.row, p.keys, p.size, s.slopes.keys);
  for (std::int64_t i = 0; i < p.queries; i += kQueries)
    gradient_of_block(gradient, b, h, s, i, p.queries - i < kQueries ? p.queries - i : kQueries);
}

#undef EDGECLIP_INLINE
