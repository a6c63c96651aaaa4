#include "train/torch_runtime.h"

#include <torch/torch.h>

#include <cstdlib>

#include "base/threads.h"
#include "support/support.h"

namespace edgeclip {
namespace {

TEST(TorchRuntime, BlasUsesKernelsOfThisCpu) {
  if (blas_core().empty()) GTEST_SKIP() << "the BLAS is not OpenBLAS";
  if (std::getenv("OPENBLAS_CORETYPE") != nullptr) GTEST_SKIP() << "OPENBLAS_CORETYPE is set";
  prepare_torch();
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    EXPECT_NE(blas_core(), "Prescott");
  }
#endif
}

TEST(TorchRuntime, ProductsAreRightAfterwards) {
  prepare_torch();
  torch::manual_seed(4);
  const torch::Tensor a = torch::randn({67, 129}), b = torch::randn({129, 301});
  const torch::Tensor exact = torch::matmul(a.to(torch::kFloat64), b.to(torch::kFloat64));
  EXPECT_LE((torch::matmul(a, b).to(torch::kFloat64) - exact).abs().max().item<double>(), 1e-4);
}

TEST(TorchRuntime, FollowsTheThreadCount) {
  const int before = thread_count();
  set_thread_count(1);
  prepare_torch();
  EXPECT_EQ(at::get_num_threads(), 1);
  set_thread_count(before);
  prepare_torch();
  EXPECT_EQ(at::get_num_threads(), before);
}

}  // namespace
}  // namespace edgeclip
