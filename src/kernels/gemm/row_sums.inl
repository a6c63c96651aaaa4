// Compiled once per instruction set with dot products of unsigned by signed bytes, behind micro_s8.inl.

/// out[r] = sum_k a[r * lda + k] of int8.
template <class Dot>
void row_sums(const std::int8_t* a, std::int64_t lda, std::int64_t k, int rows, std::int32_t* out) {
  constexpr std::int64_t kBytes = sizeof(Register);
  std::uint8_t bytes_of_one[4] = {1, 1, 1, 1};
  const Register ones = Dot::four(bytes_of_one);
  for (int r = 0; r < rows; ++r) {
    const std::int8_t* row = a + r * lda;
    Register lanes = {};
    std::int64_t i = 0;
    for (; i + kBytes <= k; i += kBytes) {
      Register bytes;
      std::memcpy(&bytes, row + i, sizeof bytes);
      lanes = Dot::dot(lanes, ones, bytes);
    }
    std::int32_t each[kRegisterColumns], sum = 0;
    std::memcpy(each, &lanes, sizeof each);
    for (const std::int32_t lane : each) sum += lane;
    for (; i < k; ++i) sum += row[i];
    out[r] = sum;
  }
}
