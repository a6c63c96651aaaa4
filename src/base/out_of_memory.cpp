#include "base/out_of_memory.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>

#include "base/error.h"
#include "base/io_error.h"
#include "base/unfinished.h"

namespace edgeclip {

namespace {

constinit std::atomic<bool> g_ending{false};
constinit std::terminate_handler g_terminate_before = nullptr;

/// oneDNN 2.6.3 writes to a null pointer where an allocation of its own fails.  Told from a bug of ours by
/// asking for memory: where there is some, the default action (and its core) follows.
void on_segmentation_fault(int signal, siginfo_t* info, void*) {
  constexpr std::size_t kProbe = std::size_t{256} << 20, kNullPage = 1 << 16;
  if (reinterpret_cast<std::uintptr_t>(info->si_addr) < kNullPage && !can_have_memory(kProbe))
    end_out_of_memory();
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

bool current_says_out_of_memory() {
  if (!std::current_exception()) return false;
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return true;
  } catch (const std::exception& e) {
    return says_out_of_memory(e.what());
  } catch (...) {
    return false;
  }
}

[[noreturn]] void on_terminate() {
  if (current_says_out_of_memory()) end_out_of_memory();
  if (g_terminate_before != nullptr) g_terminate_before();
  ::abort();
}

void on_start_timer(int) {
  constexpr std::size_t kOpenBlasBuffer = std::size_t{128} << 20;  // it asks for one until it gets it
  constexpr int kMostSeconds = 3;
  static volatile sig_atomic_t seconds = 0;
  const int error = errno;
  seconds = can_have_memory(kOpenBlasBuffer) ? 0 : seconds + 1;
  if (seconds >= kMostSeconds) end_out_of_memory();
  errno = error;
}

void set_start_timer(int seconds) {
  struct itimerval timer {};
  timer.it_interval.tv_sec = timer.it_value.tv_sec = seconds;
  ::setitimer(ITIMER_REAL, &timer, nullptr);
}

}  // namespace

bool can_have_memory(std::size_t bytes) noexcept {
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  ::munmap(memory, bytes);
  return true;
}

void end_out_of_memory() noexcept {
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_BLOCK, &all, nullptr);  // this thread's: nothing may take it away from its work
  if (g_ending.exchange(true))
    for (;;) ::pause();  // another thread is about to end the process
  remove_unfinished();
  constexpr char kLine[] = "edgeclip: error: out of memory; use a smaller batch or fewer threads\n";
  if (::write(STDERR_FILENO, kLine, sizeof kLine - 1) < 0) ::_exit(kMachineFault);
  ::_exit(kMachineFault);
}

void install_out_of_memory_handlers() {
#if !defined(__SANITIZE_ADDRESS__)  // whose report says more
  struct sigaction fault {};
  fault.sa_sigaction = on_segmentation_fault;
  sigemptyset(&fault.sa_mask);
  fault.sa_flags = SA_SIGINFO | SA_NODEFER;
  ::sigaction(SIGSEGV, &fault, nullptr);
#endif
  const std::terminate_handler before = std::set_terminate(on_terminate);
  if (before != on_terminate) g_terminate_before = before;
}

void guard_start() {
  install_out_of_memory_handlers();
  struct sigaction tick {};
  tick.sa_handler = on_start_timer;
  sigemptyset(&tick.sa_mask);
  tick.sa_flags = SA_RESTART;
  ::sigaction(SIGALRM, &tick, nullptr);
  set_start_timer(1);
}

void end_start_guard() {
  set_start_timer(0);
  ::signal(SIGALRM, SIG_DFL);
}

}  // namespace edgeclip
