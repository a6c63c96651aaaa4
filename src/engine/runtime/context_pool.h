#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/runtime/session.h"

namespace edgeclip::engine {

/// Contexts of one session, lent to one call at a time: as many as calls run at once, kept for the next ones.  Those that a burst of
/// calls left, and that no call of a whole window of calls needed, are given back with their arenas.  Thread-safe.  The session must
/// outlive it.
class ContextPool {
 public:
  static constexpr std::size_t kWindow = 256;  ///< calls

  explicit ContextPool(const Session& session) : session_(session) {}

  /// Gives its context back when it goes.
  class Lease {
   public:
    explicit Lease(ContextPool& pool);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Context* operator->() { return context_.get(); }

   private:
    ContextPool& pool_;
    std::unique_ptr<Context> context_;
  };

 private:
  std::unique_ptr<Context> surplus();

  const Session& session_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Context>> idle_;  ///< the last used last: its shapes and its arena are warm
  std::size_t lent_ = 0;
  std::size_t calls_ = 0, most_lent_ = 0;  ///< of this window
  std::size_t most_before_ = 0;            ///< most_lent_ of the window before
};

}  // namespace edgeclip::engine
