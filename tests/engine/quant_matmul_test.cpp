// edgeclip.QuantMatMul: fast kernels against the reference.
#include <cstdlib>
#include <tuple>

#include "engine/quant_matmul_problem.h"

namespace edgeclip::engine {
namespace {

using Case = QuantMatMulCase;

class QuantMatMulKernels : public testing::TestWithParam<Case> {};

/// Where products of our own need weights of 7 bits: those that are such already.
Case exact_here(Case c) {
  if (kernels::needs_seven_bits(kernels::cpu_level())) c.top = std::min(c.top, 64);
  return c;
}

TEST_P(QuantMatMulKernels, AgreeWithTheReference) {
  QuantMatMulProblem p(exact_here(GetParam()), 7);
  const Tensor expected = p.reference();
  const auto dispatched = p.fast();
  ASSERT_TRUE(dispatched);
  SCOPED_TRACE(dispatched->implementation());
  EXPECT_EQ(dispatched->implementation().find("ref"), std::string::npos);
  // Sums are exact integers up to 2^24 in either; what differs is the rounding of scale, bias and activation.
  expect_products_near(expected, p.run(*dispatched), 2e-6);
  expect_products_near(expected, p.run(*dispatched), 2e-6);  // again: nothing of the first run is left over

  if (GetParam().zero_points) {  // of operators of our own alone, which are never widened
    EXPECT_FALSE(p.fast(QuantProducts::widened));
    return;
  }
  // Partial sums in float32: relative to the largest, not to what is left after cancellation.
  const auto widened = p.fast(QuantProducts::widened);
  ASSERT_TRUE(widened);
  expect_products_near(expected, p.run(*widened), 1e-5);
}

/// Weights of 8 bits where products need 7 are rounded: by a step of 1 in 127 of some columns' weights.
TEST_P(QuantMatMulKernels, LoseALittleWhereWeightsAreRounded) {
  if (!kernels::needs_seven_bits(kernels::cpu_level()) || !GetParam().out.empty()) return;
  QuantMatMulProblem p(GetParam(), 7);
  const Tensor expected = p.reference();
  expect_products_near(expected, p.run(*p.fast()), 0.1);
}

/// Operators whose results the standard fixes do not: their products are widened there.
TEST_P(QuantMatMulKernels, AreExactWhereAsked) {
  if (GetParam().zero_points) return;
  QuantMatMulProblem p(GetParam(), 7);
  const auto exact = p.fast(QuantProducts::exact);
  ASSERT_TRUE(exact);
  expect_products_near(p.reference(), p.run(*exact), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, QuantMatMulKernels,
    testing::Values(Case{{1}, 1, 1, ""}, Case{{1}, 7, 3, "", false}, Case{{3}, 5, 17, "gelu"},
                    Case{{2, 3}, 31, 33, "quick_gelu"}, Case{{1, 50}, 64, 64, "", true, true},
                    Case{{3, 20}, 63, 129, "gelu", true, true}, Case{{8, 25}, 192, 768, "quick_gelu"},
                    Case{{8, 25}, 768, 192, "", true, true}, Case{{2, 2, 2}, 100, 10, "relu", false, true},
                    Case{{1}, 1024, 16, "", false, false}, Case{{5}, 96, 40, "quick_gelu", true, true, 64},
                    Case{{}, 12, 9, "gelu"}));

std::vector<Case> all_types() {
  std::vector<Case> cases;
  int number = 0;
  for (const auto& [leading, k, n] : {std::tuple<Shape, std::int64_t, std::int64_t>{{2, 25}, 96, 80},
                                      {{1}, 33, 7},
                                      {{3}, 64, 1},
                                      {{7, 11}, 256, 64},
                                      {{}, 40, 24}})
    for (const DType type : {DType::u8, DType::i8})
      for (const bool rows : {false, true})
        for (const char* out : {"", "uint8", "int8"})
          for (const char* activation : {"", "gelu"}) {
            cases.push_back({leading, k, n, number % 5 == 1 ? "relu" : activation, number % 3 != 1,
                             number % 4 < 2, 127, type, rows, out, rows && type == DType::u8 && number % 3 != 0});
            ++number;
          }
  return cases;
}
INSTANTIATE_TEST_SUITE_P(Types, QuantMatMulKernels, testing::ValuesIn(all_types()));

/// A token's result is the same alone and among others.
TEST(QuantMatMulRows, DoNotDependOnTheBatch) {
  for (const char* activation : {"", "gelu"}) {
    for (const char* out : {"", "int8"}) {
      const Case c{{60}, 96, 80, activation, true, true, 127, DType::i8, true, out};
      QuantMatMulProblem all(c, 3);
      const auto together = all.fast();
      ASSERT_TRUE(together);
      const Tensor y = all.run(*together);
      const std::size_t row = y.bytes() / 60;
      for (const std::int64_t r : {0, 17, 59}) {
        Case alone = c;
        alone.leading = {1};
        QuantMatMulProblem one(alone, 3);
        for (const std::size_t i : {0, 4, 5}) {
          const std::size_t bytes = one.tensors[i].bytes();
          std::memcpy(one.tensors[i].raw(), all.tensors[i].raw() + static_cast<std::size_t>(r) * bytes, bytes);
        }
        for (const std::size_t i : {1, 2, 3})
          std::memcpy(one.tensors[i].raw(), all.tensors[i].raw(), one.tensors[i].bytes());
        const auto kernel = one.fast();
        ASSERT_TRUE(kernel);
        const Tensor mine = one.run(*kernel);
        EXPECT_EQ(std::memcmp(mine.raw(), y.raw() + static_cast<std::size_t>(r) * row, row), 0)
            << activation << " " << out << " row " << r << ": " << kernel->implementation();
      }
    }
  }
}

TEST(QuantMatMulDispatch, WidensOnlyWhereProductsSaturate) {
  QuantMatMulProblem eight({{2}, 64, 8, "", true, false, 127}, 1), seven({{2}, 64, 8, "", true, false, 64}, 1);
  EXPECT_EQ(int8_path(eight.inputs[kQuantW], 64, false), Int8Path::exact);
  EXPECT_EQ(int8_path(eight.inputs[kQuantW], 64, true), Int8Path::widened);
  EXPECT_EQ(int8_path(seven.inputs[kQuantW], 64, true), Int8Path::shifted);
  // -128 is not 7 bits either.
  seven.tensors[1].data<std::int8_t>()[5] = -128;
  EXPECT_EQ(int8_path(seven.inputs[kQuantW], 64, true), Int8Path::widened);
  // 32 bits hold this many products of 255 * 128 and no more.
  EXPECT_EQ(int8_path(eight.inputs[kQuantW], 65793, false), Int8Path::exact);
  EXPECT_EQ(int8_path(eight.inputs[kQuantW], 65794, false), Int8Path::widened);
}

#if defined(__x86_64__)
TEST(QuantMatMulDispatch, SaturationFollowsTheCpu) {
  if (const char* limit = std::getenv("ONEDNN_MAX_CPU_ISA")) {
    const std::string level = limit;
    if (level == "SSE41" || level == "AVX" || level == "AVX2" || level == "AVX512_CORE") {
      EXPECT_TRUE(int8_products_saturate());
    }
    return;
  }
  if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl")) {
    EXPECT_FALSE(int8_products_saturate());
  } else if (!__builtin_cpu_supports("avx2")) {
    EXPECT_TRUE(int8_products_saturate());
  }
}
#endif

TEST(QuantMatMulDispatch, LeavesTheRestToTheReference) {
  const Case c{{2, 3}, 8, 4, "", true, true};
  QuantMatMulProblem broadcast_residual(c, 1);
  broadcast_residual.inputs[4].shape = {1, 4};
  EXPECT_FALSE(broadcast_residual.fast());
  QuantMatMulProblem dynamic_weights(c, 1);
  dynamic_weights.inputs[1].data = nullptr;
  EXPECT_FALSE(dynamic_weights.fast());
}

TEST(QuantMatMulDispatch, PacksWeightsOnceForAllShapes) {
  QuantMatMulProblem p({{4}, 64, 48, ""}, 1);
  ASSERT_TRUE(p.fast());
  const std::size_t once = p.state.gemm_weights.bytes();
  EXPECT_GE(once, 64u * 48u);
  ASSERT_TRUE(p.fast());
  EXPECT_EQ(p.state.gemm_weights.bytes(), once);
}

}  // namespace
}  // namespace edgeclip::engine
