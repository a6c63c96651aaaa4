#include "kernels/thread_pool.h"

#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <map>
#include <string>
#include <utility>

namespace edgeclip::kernels {

namespace {

using Clock = std::chrono::steady_clock;

/// How long to spin for what is about to come.  Longer than from one region of a model to the next, shorter than
/// a time slice by far.
constexpr std::chrono::microseconds kSpin{40};
constexpr int kTurns = 32;  ///< between two looks at the clock

thread_local bool t_inside = false;  ///< a task of some pool runs in this thread

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Spins until ready() or for kSpin; whether ready.
template <class Ready>
bool spin(const Ready& ready) {
  const auto end = Clock::now() + kSpin;
  do {
    for (int turn = 0; turn < kTurns; ++turn) {
      if (ready()) return true;
      pause();
    }
  } while (Clock::now() < end);
  return ready();
}

/// Signals go to threads that know what to do with them.
class SignalsHeld {
 public:
  SignalsHeld() {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsHeld() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;

 private:
  sigset_t before_;
};

class SerialExecutor final : public Executor {
 public:
  int threads() const override { return 1; }
  void run(std::int64_t count, TaskRef body) override {
    for (std::int64_t i = 0; i < count; ++i) body(i);
  }
};

}  // namespace

Executor& serial_executor() {
  static SerialExecutor executor;
  return executor;
}

ThreadPool::ThreadPool(int threads) {
  const SignalsHeld held;  // a thread begins with the mask of who started it
  workers_.reserve(static_cast<std::size_t>(std::max(0, threads - 1)));
  try {
    for (int i = 1; i < threads; ++i) {
      workers_.emplace_back([this] { work(); });
      ::pthread_setname_np(workers_.back().native_handle(), ("edgeclip-" + std::to_string(i)).c_str());
    }
  } catch (...) {
    stop_ = true;
    generation_.fetch_add(2);
    generation_.notify_all();
    throw;  // ~jthread joins
  }
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  generation_.fetch_add(2);
  generation_.notify_all();
}

void ThreadPool::run(std::int64_t count, TaskRef body) {
  const int helpers =
      static_cast<int>(std::min<std::int64_t>(threads() - std::max(1, callers_.load(std::memory_order_relaxed)), count - 1));
  std::unique_lock lock(mutex_, std::defer_lock);
  if (helpers < 1 || t_inside || !lock.try_lock()) {
    for (std::int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  body_ = &body;
  count_ = count;
  helpers_ = helpers;
  failed_ = nullptr;
  next_.store(0, std::memory_order_relaxed);
  generation_.fetch_add(1);  // odd: open
  if (sleeping_.load() > 0) generation_.notify_all();
  t_inside = true;
  take_tasks();
  t_inside = false;
  generation_.fetch_add(1);  // even: who has not joined by now may not
  wait_for_helpers();
  if (failed_) std::rethrow_exception(std::exchange(failed_, nullptr));
}

/// Tasks until there are none left.
void ThreadPool::take_tasks() {
  const TaskRef& body = *body_;
  const std::int64_t count = count_;
  for (std::int64_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < count;) {
    try {
      body(i);
    } catch (...) {
      next_.store(count, std::memory_order_relaxed);
      const std::lock_guard lock(failed_mutex_);
      if (!failed_) failed_ = std::current_exception();
    }
  }
}

void ThreadPool::wait_for_helpers() {
  const auto gone = [&] { return joined_.load() == 0; };
  if (spin(gone)) return;
  // One of them was taken off its CPU: ours is better used by it.
  for (std::uint32_t joined; (joined = joined_.load()) != 0;) joined_.wait(joined);
}

void ThreadPool::wait_for_region(std::uint32_t& seen) {
  const auto changed = [&] { return generation_.load() != seen; };
  if (!spin(changed)) {
    sleeping_.fetch_add(1);
    generation_.wait(seen);
    sleeping_.fetch_sub(1);
  }
  seen = generation_.load();
}

void ThreadPool::work() {
  t_inside = true;
  for (std::uint32_t seen = 0; !stop_.load(); wait_for_region(seen)) {
    if (seen % 2 == 0) continue;
    // Joining and closing each write their own word before they read the other's: either the caller waits for
    // us, or we see that the region is closed.
    const std::uint32_t before = joined_.fetch_add(1);
    if (generation_.load() == seen && before < static_cast<std::uint32_t>(helpers_)) take_tasks();
    if (joined_.fetch_sub(1) == 1) joined_.notify_one();
  }
}

std::shared_ptr<Executor> shared_pool(int threads) {
  static std::mutex mutex;
  static std::map<int, std::weak_ptr<ThreadPool>> pools;
  const std::lock_guard lock(mutex);
  std::weak_ptr<ThreadPool>& known = pools[threads];
  if (auto pool = known.lock()) return pool;
  auto pool = std::make_shared<ThreadPool>(threads);
  known = pool;
  return pool;
}

}  // namespace edgeclip::kernels
