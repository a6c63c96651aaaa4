// The inside of attend(), behind attention_parts.inl.

/// Rows [i, i + rows) of the task's head: as many as lie side by side.
static void attend_block(const Attention& p, const AttentionTask& t, const AttentionScratch& s,
                         std::int64_t i, std::int64_t rows) {
  std::int64_t keys = p.keys;
  if (p.causal && i + rows < keys) keys = i + rows;
  BlockMask mask{nullptr, p.mask.query, p.mask.key};
  if (p.mask.data) {
    mask.data = p.mask.data + t.b * p.mask.batch + t.h * p.mask.head + i * p.mask.query;
    keys = visible_keys(mask, rows, keys);
  }
  pack_queries(p.q.at(t.b, i, t.h), p.q.row, rows, p.size, p.scale * kLog2E, s.queries);

  const std::int64_t width = (rows + kLanes - 1) / kLanes;
  if (width == 1)
    scores<1>(s, keys, p.keys, p.size);
  else if (width == 2)
    scores<2>(s, keys, p.keys, p.size);
  else
    scores<3>(s, keys, p.keys, p.size);
  if (mask.data) add_mask(mask, rows, keys, s.weights);
  if (p.causal) hide_later_keys(i, rows, keys, s.weights);
  BlockSums sums;
  if (width == 1)
    softmax<1>(keys, s.weights, sums);
  else if (width == 2)
    softmax<2>(keys, s.weights, sums);
  else
    softmax<3>(keys, s.weights, sums);

  float* y = p.y.at(t.b, i, t.h);
  for (std::int64_t r = 0; r < rows; r += kRowTile) {
    const std::int64_t count = rows - r < kRowTile ? rows - r : kRowTile;
    // Keys that come later have no weight in any of these rows.
    const std::int64_t seen = p.causal && i + r + count < keys ? i + r + count : keys;
    value_rows_of<kRowTile>(count, s.weights + r, s.values, p.size, seen, sums.reciprocals + r,
                            y + r * p.y.row, p.y.row);
  }
  if (p.otherwise == NoSoftmax::nan) return;
  for (std::int64_t r = 0; r < rows; ++r)
    if (sums.reciprocals[r] != sums.reciprocals[r] &&
        (p.otherwise == NoSoftmax::zeros || sums.most[r] == -__builtin_inff()))
      for (std::int64_t d = 0; d < p.size; ++d) y[r * p.y.row + d] = 0;
}

static void attend_rows(const Attention& p, const AttentionTask& t, const AttentionScratch& s) {
  pack_keys(p.k.at(t.b, 0, t.h), p.k.row, p.keys, p.size, s.keys);
  pack_values(p.v.at(t.b, 0, t.h), p.v.row, p.keys, p.size, s.values);
  for (std::int64_t i = t.begin; i < t.end; i += kQueries)
    attend_block(p, t, s, i, t.end - i < kQueries ? t.end - i : kQueries);
}
