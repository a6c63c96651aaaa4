// Scores of a block, over the vectors of an instruction set; included within a namespace and a target region of its
// own, behind its Isa:
//   V: sixteen floats, one running sum each; load(Element, p), load_first(Element, p, n): elements as floats
//   Codes: what integer sums are made of
//   kRows x kGroup sums of V, kRows x kCodeGroup integer ones, stay in registers
//
// Lanes lie along the row, for one query as for many, so that neither rows nor queries are transposed and a sum
// does not depend on how many there are. Queries of a group stay in the first-level cache while the rows of a block
// stream from the second; those of the next block come from memory meanwhile.

struct F32 {
  static constexpr std::int64_t kBytes = 4;
};
struct F16 {
  static constexpr std::int64_t kBytes = 2;
};
struct S8 {
  static constexpr std::int64_t kBytes = 1;
};

#include EDGECLIP_SCAN_ISA

constexpr int kRows = Isa::kRows;
static_assert(kBlockRows % kRows == 0 && Isa::kGroup <= kMostGroup && Isa::kCodeGroup <= kMostGroup);

/// So few queries are multiplied by a row at a time: memory is read from its beginning to its end, which is what
/// the prefetchers of CPUs are made for, and it is memory that is waited for. Two rows side by side take 1.5 times as
/// long, and lines prefetched by fours 1.2 times.
constexpr int kFewQueries = 2;
static inline __attribute__((always_inline)) void bring(const std::byte* line) { __builtin_prefetch(line, 0, 2); }
/// A line of each.
static inline __attribute__((always_inline)) void bring_rows(const std::byte* const* rows, std::int64_t& at,
                                                             std::int64_t to) {
  if (at >= to) return;
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) bring(rows[r] + at);
  at += 64;
}

/// sum[q] += x * query q, from element d on.
template <int kQueries>
static inline __attribute__((always_inline)) void add_products(Isa::V x, const float* queries, std::int64_t stride,
                                                               Isa::V (&sum)[kQueries]) {
#pragma GCC unroll 8
  for (int q = 0; q < kQueries; ++q)
    sum[q] = Isa::fma(x, Isa::load(F32(), reinterpret_cast<const std::byte*>(queries + q * stride)), sum[q]);
}

template <class Element, int kQueries>
static void score_queries(const BlockTask& task, const float* queries, float* scores) {
  using V = Isa::V;
  const std::int64_t dim = task.dim, stride = task.query_stride, whole = dim / 16 * 16;
  const auto rest = static_cast<int>(dim - whole);
  for (int first = 0; first < task.count; first += kRows) {
    const std::byte* rows[kRows];
    for (int r = 0; r < kRows; ++r) rows[r] = task.rows[first + r];
    const std::byte* const* next = task.ahead.rows + first;
    V sum[kRows][kQueries];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int q = 0; q < kQueries; ++q) sum[r][q] = Isa::zero();
    if constexpr (kQueries <= kFewQueries) {
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        std::int64_t ahead = task.ahead.from, d = 0;
        for (; d < whole && ahead < task.ahead.to; d += 16, ahead += 64) {
          bring(next[r] + ahead);
          add_products(Isa::load(Element(), rows[r] + d * Element::kBytes), queries + d, stride, sum[r]);
        }
        for (; d < whole; d += 16)
          add_products(Isa::load(Element(), rows[r] + d * Element::kBytes), queries + d, stride, sum[r]);
        if (rest > 0)
          add_products(Isa::load_first(Element(), rows[r] + whole * Element::kBytes, rest), queries + whole, stride,
                       sum[r]);
        for (; ahead < task.ahead.to; ahead += 64) bring(next[r] + ahead);
      }
    } else {
      std::int64_t ahead = task.ahead.from;
      for (std::int64_t d = 0; d < whole; d += 16) {
        bring_rows(next, ahead, task.ahead.to);
        V x[kRows];
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) x[r] = Isa::load(Element(), rows[r] + d * Element::kBytes);
#pragma GCC unroll 8
        for (int q = 0; q < kQueries; ++q) {
          const V y = Isa::load(F32(), reinterpret_cast<const std::byte*>(queries + q * stride + d));
#pragma GCC unroll 8
          for (int r = 0; r < kRows; ++r) sum[r][q] = Isa::fma(x[r], y, sum[r][q]);
        }
      }
      if (rest > 0) {
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r)
          add_products(Isa::load_first(Element(), rows[r] + whole * Element::kBytes, rest), queries + whole, stride,
                       sum[r]);
      }
      while (ahead < task.ahead.to) bring_rows(next, ahead, task.ahead.to);
    }
    Isa::fold(sum, scores + first);
  }
}

/// Columns are |x|, if asked for, and the products with each query.
template <int kQueries, bool kMagnitudes>
static inline __attribute__((always_inline)) void add_codes(Isa::Codes::Row x, const Isa::Codes::Code* codes,
                                                            std::int64_t stride,
                                                            Isa::Codes::Sum (&sum)[kQueries + kMagnitudes]) {
  if constexpr (kMagnitudes) sum[0] = Isa::Codes::add_magnitude(sum[0], x);
  const auto operand = Isa::Codes::operand(x);
#pragma GCC unroll 8
  for (int q = 0; q < kQueries; ++q)
    sum[kMagnitudes + q] = Isa::Codes::dot(sum[kMagnitudes + q], operand, Isa::Codes::query(codes + q * stride));
}

template <int kQueries, bool kMagnitudes>
static void sum_codes(const BlockTask& task, const Isa::Codes::Code* codes, std::int32_t* sums) {
  using C = Isa::Codes;
  constexpr int kColumns = kQueries + kMagnitudes;
  const std::int64_t dim = task.dim, stride = task.query_stride, whole = dim / C::kStep * C::kStep;
  const auto rest = static_cast<int>(dim - whole);
  for (int first = 0; first < task.count; first += kRows) {
    const std::byte* rows[kRows];
    for (int r = 0; r < kRows; ++r) rows[r] = task.rows[first + r];
    const std::byte* const* next = task.ahead.rows + first;
    C::Sum sum[kRows][kColumns];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int q = 0; q < kColumns; ++q) sum[r][q] = C::zero();
    if constexpr (kQueries <= kFewQueries) {
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        std::int64_t ahead = task.ahead.from, d = 0;
        for (; d < whole && ahead < task.ahead.to; d += C::kStep, ahead += 64) {
          bring(next[r] + ahead);
          add_codes<kQueries, kMagnitudes>(C::row(rows[r] + d), codes + d, stride, sum[r]);
        }
        for (; d < whole; d += C::kStep)
          add_codes<kQueries, kMagnitudes>(C::row(rows[r] + d), codes + d, stride, sum[r]);
        if (rest > 0)
          add_codes<kQueries, kMagnitudes>(C::row_first(rows[r] + whole, rest), codes + whole, stride, sum[r]);
        for (; ahead < task.ahead.to; ahead += 64) bring(next[r] + ahead);
      }
    } else {
      std::int64_t ahead = task.ahead.from;
      for (std::int64_t d = 0; d < whole; d += C::kStep) {
        bring_rows(next, ahead, task.ahead.to);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r)
          add_codes<kQueries, kMagnitudes>(C::row(rows[r] + d), codes + d, stride, sum[r]);
      }
      if (rest > 0) {
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r)
          add_codes<kQueries, kMagnitudes>(C::row_first(rows[r] + whole, rest), codes + whole, stride, sum[r]);
      }
      while (ahead < task.ahead.to) bring_rows(next, ahead, task.ahead.to);
    }
    C::fold(sum, sums + first);
  }
}

template <class Element, int... kQueries>
static void score_group(std::integer_sequence<int, kQueries...>, const BlockTask& task, const float* queries,
                        float* scores) {
  static constexpr FloatScores kOf[] = {score_queries<Element, kQueries + 1>...};
  kOf[task.queries - 1](task, queries, scores);
}

template <class Element>
static void scores_of(const BlockTask& task, const float* queries, float* scores) {
  score_group<Element>(std::make_integer_sequence<int, Isa::kGroup>(), task, queries, scores);
}

template <int... kQueries>
static void sum_code_group(std::integer_sequence<int, kQueries...>, const BlockTask& task, const void* codes,
                           std::int32_t* magnitudes, std::int32_t* sums) {
  using Code = Isa::Codes::Code;
  using Sums = void (*)(const BlockTask&, const Code*, std::int32_t*);
  static constexpr Sums kWith[] = {sum_codes<kQueries + 1, true>...}, kWithout[] = {sum_codes<kQueries + 1, false>...};
  if (magnitudes != nullptr)
    kWith[task.queries - 1](task, static_cast<const Code*>(codes), magnitudes);
  else
    kWithout[task.queries - 1](task, static_cast<const Code*>(codes), sums);
}

static void code_sums(const BlockTask& task, const void* codes, bool with_magnitudes, std::int32_t* sums) {
  sum_code_group(std::make_integer_sequence<int, Isa::kCodeGroup>(), task, codes, with_magnitudes ? sums : nullptr,
                 sums + kBlockRows);
}

static void widen(const std::byte* const* rows, int count, std::int64_t dim, std::int64_t stride, float* to) {
  for (int r = 0; r < count; ++r, to += stride) {
    std::int64_t d = 0;
    for (; d + 16 <= dim; d += 16) Isa::store(to + d, Isa::load(F16(), rows[r] + 2 * d));
    if (d < dim) {
      Isa::store(to + d, Isa::load_first(F16(), rows[r] + 2 * d, static_cast<int>(dim - d)));
      d += 16;
    }
    for (; d < stride; d += 16) Isa::store(to + d, Isa::zero());
  }
}

static std::uint64_t at_least(const float* scores, float floor) {
  std::uint64_t bits = 0;
#pragma GCC unroll 4
  for (int r = 0; r < kBlockRows; r += 16) bits |= std::uint64_t{Isa::at_least(scores + r, floor)} << r;
  return bits;
}

static std::uint64_t may_reach(const std::int32_t* sums, std::int32_t offset, const QueryCodes& codes,
                               const std::int32_t* magnitudes, const float* scale, float floor) {
  float most[kBlockRows];
  const float step = codes.step, slack = codes.slack;
  const auto off = static_cast<std::uint32_t>(offset);
  for (int r = 0; r < kBlockRows; ++r) {
    // Unsigned, since sums behind the last row are of other queries.
    const auto sum = static_cast<std::int32_t>(static_cast<std::uint32_t>(sums[r]) - off);
    most[r] = scale[r] * (step * static_cast<float>(sum) + slack * static_cast<float>(magnitudes[r]));
  }
  std::uint64_t below = 0;
#pragma GCC unroll 4
  for (int r = 0; r < kBlockRows; r += 16) below |= std::uint64_t{Isa::less(most + r, floor)} << r;
  return ~below;
}

static constexpr ScanForm form_of(const char* name) {
  return {name,      Isa::kGroup, Isa::kCodeGroup,  scores_of<F32>, scores_of<F16>, scores_of<S8>,
          widen,     at_least,    Isa::Codes::kBytes, code_sums,      may_reach};
}
