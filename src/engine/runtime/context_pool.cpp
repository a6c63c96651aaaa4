#include "engine/runtime/context_pool.h"

#include <algorithm>
#include <utility>

namespace edgeclip::engine {

ContextPool::Lease::Lease(ContextPool& pool) : pool_(pool) {
  {
    std::lock_guard lock(pool_.mutex_);
    pool_.idle_.reserve(pool_.idle_.size() + pool_.lent_ + 1);  // giving back must not fail
    ++pool_.lent_;
    pool_.most_lent_ = std::max(pool_.most_lent_, pool_.lent_);
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
  std::unique_ptr<Context> surplus;  // goes when the lock is free
  std::lock_guard lock(pool_.mutex_);
  --pool_.lent_;
  pool_.idle_.push_back(std::move(context_));
  surplus = pool_.surplus();
}

/// The context that has been idle longest, if more are held than were lent at once in this window of calls and the one before.
std::unique_ptr<Context> ContextPool::surplus() {
  if (++calls_ >= kWindow) {
    most_before_ = most_lent_;
    most_lent_ = lent_;
    calls_ = 0;
  }
  if (idle_.size() + lent_ <= std::max(most_lent_, most_before_)) return nullptr;
  std::unique_ptr<Context> oldest = std::move(idle_.front());
  idle_.erase(idle_.begin());
  return oldest;
}

}  // namespace edgeclip::engine
