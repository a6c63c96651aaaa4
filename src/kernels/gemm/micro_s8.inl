// Compiled once per instruction set, in a namespace that says what a register of sums is:
//   Register, kRegisterColumns, kColumns,
//   Register dot(Register sum, Register a, Register w): four products in each 32-bit lane
//   Register four(const std::uint8_t* a): the same four bytes in all lanes

template <int kRows, class Dot>
void tile_s8_rows(const std::uint8_t* a, std::int64_t lda, const std::int8_t* panel, std::int64_t groups,
                  std::int32_t* out) {
  constexpr int kRegisters = kColumns / kRegisterColumns;
  Register sum[kRows][kRegisters] = {};
  const std::uint8_t* rows[(kRows + 2) / 3];
  for (int r = 0; r < (kRows + 2) / 3; ++r) rows[r] = a + 3 * r * lda;
  const auto* w = reinterpret_cast<const Register*>(panel);
  for (std::int64_t g = 0; g < groups; ++g) {
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
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kRegisters; ++v)
      *reinterpret_cast<Register*>(out + r * kColumns + v * kRegisterColumns) = sum[r][v];
}

template <class Dot, int... kRows>
void tile_s8_of(std::integer_sequence<int, kRows...>, const std::uint8_t* a, std::int64_t lda, const std::int8_t* panel,
                std::int64_t groups, int rows, std::int32_t* out) {
  using Tile = void (*)(const std::uint8_t*, std::int64_t, const std::int8_t*, std::int64_t, std::int32_t*);
  static constexpr Tile kTiles[] = {tile_s8_rows<kRows + 1, Dot>...};
  kTiles[rows - 1](a, lda, panel, groups, out);
}

template <class Dot>
void tile_s8(const std::uint8_t* a, std::int64_t lda, const std::int8_t* panel, std::int64_t groups, int rows,
             std::int32_t* out) {
  tile_s8_of<Dot>(std::make_integer_sequence<int, kTileRows>(), a, lda, panel, groups, rows, out);
}
