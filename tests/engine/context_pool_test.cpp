#include "engine/runtime/context_pool.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "small_graphs.h"

namespace edgeclip::engine {
namespace {

/// Of one product, whose arena is held in `pool`.
Session product_session(const std::shared_ptr<MemoryPool>& pool) {
  test::GraphWriter g("product");
  const ValueId x = g.input("x", DType::f32, {-1, 64}, {"batch", ""}), weights = g.weights({64, 64});
  Graph graph = g.finish({g.node("MatMul", {g.node("MatMul", {x, weights}), weights})});
  SessionOptions options;
  options.threads = 1;
  options.pool = pool;
  return Session(std::move(graph), options);
}

class ContextPools : public testing::Test {
 protected:
  void call() { ContextPool::Lease(contexts_)->run({x_.view()}); }
  /// So many calls at the same time.
  void burst(std::size_t calls) {
    std::vector<std::unique_ptr<ContextPool::Lease>> leases;
    for (std::size_t i = 0; i < calls; ++i) {
      leases.push_back(std::make_unique<ContextPool::Lease>(contexts_));
      (*leases.back())->run({x_.view()});
    }
  }
  std::shared_ptr<MemoryPool> pool_ = std::make_shared<MemoryPool>();
  Session session_ = product_session(pool_);
  ContextPool contexts_{session_};
  Tensor x_ = test::random_floats({8, 64}, 2);
};

TEST_F(ContextPools, ABurstsArenasAreGivenBack) {
  call();
  const std::int64_t one = pool_->used();
  ASSERT_GT(one, 0);
  burst(5);
  EXPECT_EQ(pool_->used(), 5 * one);
  for (std::size_t i = 0; i < 3 * ContextPool::kWindow; ++i) call();
  EXPECT_EQ(pool_->used(), one) << "no call of two windows needed the others";
}

TEST_F(ContextPools, WhatIsNeededNowAndThenStays) {
  burst(3);
  const std::int64_t three = pool_->used();
  for (int round = 0; round < 8; ++round) {
    for (std::size_t i = 0; i < ContextPool::kWindow / 2; ++i) call();
    EXPECT_EQ(pool_->used(), three) << round;
    burst(3);
  }
}

}  // namespace
}  // namespace edgeclip::engine
