#include "engine/runtime/context_pool.h"

#include <utility>

namespace edgeclip::engine {

ContextPool::Lease::Lease(ContextPool& pool) : pool_(pool) {
  {
    std::lock_guard lock(pool_.mutex_);
    pool_.idle_.reserve(pool_.idle_.size() + pool_.lent_ + 1);  // giving back must not fail
    ++pool_.lent_;
    if (!pool_.idle_.empty()) {
      context_ = std::move(pool_.idle_.back());
      pool_.idle_.pop_back();
    }
  }
  if (context_) return;
  try {
    context_ = std::make_unique<Context>(pool_.session_);
  } catch (...) {
    std::lock_guard lock(pool_.mutex_);
    --pool_.lent_;
    throw;
  }
}

ContextPool::Lease::~Lease() {
  std::lock_guard lock(pool_.mutex_);
  --pool_.lent_;
  pool_.idle_.push_back(std::move(context_));
}

}  // namespace edgeclip::engine
