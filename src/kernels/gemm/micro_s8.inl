// Compiled once per instruction set, in a namespace that says what a register of sums is:
//   Register, kRegisterColumns, kColumns,
//   Register dot(Register sum, Register a, Register w): four products in each 32-bit lane
//   Register four(const std::uint8_t* a): the same four bytes in all lanes

template <int kRows, class Dot>
void tile_s8_rows(const std::uint8_t* a, std::int64_t lda, const std::int8_t* panel, const TileStep& step,
                  std::int32_t* sums) {
  constexpr int kRegisters = kColumns / kRegisterColumns;
  Register sum[kRows][kRegisters] = {};
  if (step.more) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < kRegisters; ++v) sum[r][v] = reinterpret_cast<const Register*>(sums + r * kColumns)[v];
  }
  const std::uint8_t* rows[(kRows + 2) / 3];
  for (int r = 0; r < (kRows + 2) / 3; ++r) rows[r] = a + 3 * r * lda;
  const auto* w = reinterpret_cast<const Register*>(panel);
  const std::byte* ahead = step.ahead;
  for (std::int64_t g = 0; g < step.groups;) {
    bring(ahead, step.ahead_bytes);
    for (const std::int64_t end = std::min(g + kAheadGroups, step.groups); g < end; ++g) {
      Register column[kRegisters];
#pragma GCC unroll 4
      for (int v = 0; v < kRegisters; ++v) column[v] = w[v];
      w += kRegisters;
      __builtin_prefetch(w + kAhead * kRegisters);
      if constexpr (sizeof(Register) * kRegisters > 64) __builtin_prefetch(w + kAhead * kRegisters + kRegisters / 2);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const Register x = Dot::four(rows[r / 3] + (r % 3) * lda + 4 * g);
#pragma GCC unroll 4
        for (int v = 0; v < kRegisters; ++v) sum[r][v] = Dot::dot(sum[r][v], x, column[v]);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kRegisters; ++v) reinterpret_cast<Register*>(sums + r * kColumns)[v] = sum[r][v];
}

template <class Dot, int... kRows>
void tile_s8_of(std::integer_sequence<int, kRows...>, const std::uint8_t* a, std::int64_t lda, const std::int8_t* panel,
                const TileStep& step, std::int32_t* sums) {
  static constexpr S8Tile kTiles[] = {tile_s8_rows<kRows + 1, Dot>...};
  kTiles[step.rows - 1](a, lda, panel, step, sums);
}

template <class Dot>
void tile_s8(const std::uint8_t* a, std::int64_t lda, const std::int8_t* panel, const TileStep& step, std::int32_t* sums) {
  tile_s8_of<Dot>(std::make_integer_sequence<int, kTileRows>(), a, lda, panel, step, sums);
}
