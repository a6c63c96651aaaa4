#include "train/cpu_allocator.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <thread>

#include "base/process_metrics.h"
#include "model/linear.h"
#include "model/weight.h"

namespace edgeclip {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

torch::Tensor bytes(std::int64_t n) { return torch::empty({n}, torch::kByte); }

TEST(TensorMemory, LargeBlocksAreKeptAndHandedOutAgain) {
  keep_tensor_memory();
#if defined(__SANITIZE_ADDRESS__)  // keep_tensor_memory() does nothing then: malloc's blocks are the watched
                                   // ones
  GTEST_SKIP() << "the address sanitizer watches malloc instead";
#endif
  const TensorMemory before = tensor_memory();
  const void* first = nullptr;
  {
    const torch::Tensor t = bytes(40 * kMiB);
    first = t.data_ptr();
    EXPECT_EQ(tensor_memory().used, before.used + 40 * kMiB);
  }
  EXPECT_EQ(tensor_memory().used, before.used);
  EXPECT_EQ(bytes(39 * kMiB).data_ptr(), first);  // a little smaller
  const torch::Tensor small = bytes(2 * kMiB);
  EXPECT_NE(small.data_ptr(), first);  // far smaller
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % (2 * kMiB), 0u);
  EXPECT_EQ(bytes(0).numel(), 0);
}

TEST(TensorMemory, IdleBlocksBeyondTheMostThatWasUsedGoBack) {
  keep_tensor_memory();
  for (int i = 1; i < 40; ++i) bytes(i * 25 * kMiB);  // no block serves the next
  const TensorMemory memory = tensor_memory();
  EXPECT_LE(memory.used + memory.idle, (39 * 25 + 256 + 64) * kMiB);
}

TEST(TensorMemory, LessMayBeIdle) {
  keep_tensor_memory();
#if defined(__SANITIZE_ADDRESS__)  // keep_tensor_memory() does nothing then: malloc's blocks are the watched
                                   // ones
  GTEST_SKIP() << "the address sanitizer watches malloc instead";
#endif
  release_tensor_memory();
  const std::int64_t used = tensor_memory().used;
  allow_idle_tensor_memory(20 * kMiB);
  {
    const torch::Tensor a = bytes(30 * kMiB);
    bytes(60 * kMiB);
  }
  EXPECT_LE(tensor_memory().used + tensor_memory().idle, used + (90 + 20) * kMiB);
  for (int i = 1; i < 12; ++i) bytes(i * 10 * kMiB);
  EXPECT_LE(tensor_memory().idle, (110 + 20) * kMiB);
  allow_idle_tensor_memory(256 * kMiB);
  release_tensor_memory();
}

/// A block of 2.25 MiB has one huge page, and of a second what it uses.
TEST(TensorMemory, HugePagesAreNotWastedOnTheEndOfABlock) {
  keep_tensor_memory();
#if defined(__SANITIZE_ADDRESS__)  // keep_tensor_memory() does nothing then: malloc's blocks are the watched
                                   // ones
  GTEST_SKIP() << "the address sanitizer watches malloc instead";
#endif
  release_tensor_memory();
  const std::int64_t before = resident_memory().total();
  std::vector<torch::Tensor> weights;
  for (int i = 0; i < 40; ++i) weights.push_back(torch::ones({768, 768}));
  EXPECT_LE(resident_memory().total() - before, 40 * 2.25 * 1.1 * kMiB);
}

TEST(TensorMemory, ABaseInBf16IsNotKeptWide) {
  keep_tensor_memory();
#if defined(__SANITIZE_ADDRESS__)  // keep_tensor_memory() does nothing then: malloc's blocks are the watched
                                   // ones
  GTEST_SKIP() << "the address sanitizer watches malloc instead";
#endif
  constexpr std::int64_t kWidth = 2048;  // 8 MiB in bf16, 16 in float32
  std::vector<Linear> layers;
  for (int i = 0; i < 4; ++i) {
    layers.emplace_back(LinearImpl(kWidth, kWidth));
    set_weight(layers.back()->weight, layers.back()->weight.detach().to(torch::kBFloat16));
    for (auto& parameter : layers.back()->parameters()) parameter.requires_grad_(false);
    if (i % 2 == 0) layers.back()->attach_lora({torch::randn({2, kWidth}), torch::zeros({kWidth, 2}), 1, 0});
  }
  const std::int64_t before = tensor_memory().used;
  torch::Tensor x = torch::randn({1, kWidth}).requires_grad_(true), y = x;
  for (auto& layer : layers) y = layer(y, ComputeType::f32);
  EXPECT_LT(tensor_memory().used - before, 16 * kMiB);  // which one wide copy would take
  y.sum().backward();
  EXPECT_TRUE(x.grad().defined());
}

TEST(TensorMemory, ManyThreadsAllocate) {
  keep_tensor_memory();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t] {
      for (int i = 0; i < 50; ++i) {
        const torch::Tensor x = bytes(kMiB * (1 + (i * 7 + t) % 5)).fill_(t);
        ASSERT_EQ(x[x.numel() - 1].item<int>(), t);
      }
    });
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace edgeclip
