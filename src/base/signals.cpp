#include "base/signals.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "base/error.h"

namespace edgeclip {

namespace {

std::atomic<bool> g_interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void on_signal(int signal) {
  if (g_interrupted.exchange(true) && signal != SIGHUP) ::_exit(kInterrupted);
}

/// A page of a mapped file that the disk does not give, or that was cut off.
void on_bus_error(int) {
  constexpr char kLine[] =
      "edgeclip: a file that is mapped into memory cannot be read (the disk failed, or the file was cut "
      "meanwhile); check both and try again\n";
  if (::write(STDERR_FILENO, kLine, sizeof kLine - 1) < 0) ::_exit(kMachineFault);
  ::_exit(kMachineFault);
}

/// oneDNN 2.6.3 writes to a null pointer where an allocation of its own fails.  Told from a bug of ours by
/// asking for memory: where there is some, the default action (and its core) follows.
void on_segmentation_fault(int signal, siginfo_t* info, void*) {
  constexpr std::size_t kProbe = std::size_t{256} << 20, kNullPage = 1 << 16;
  if (reinterpret_cast<std::uintptr_t>(info->si_addr) < kNullPage) {
    void* const memory = ::mmap(nullptr, kProbe, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      constexpr char kLine[] = "edgeclip: error: out of memory; use a smaller batch or fewer threads\n";
      if (::write(STDERR_FILENO, kLine, sizeof kLine - 1) < 0) ::_exit(kMachineFault);
      ::_exit(kMachineFault);
    }
    ::munmap(memory, kProbe);
  }
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
  return set;
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  ::sigaction(signal, &action, nullptr);
}

}  // namespace

void install_signal_handlers() {
  handle(SIGINT, on_signal);
  handle(SIGTERM, on_signal);
  struct sigaction hangup {};
  ::sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) handle(SIGHUP, on_signal);
  handle(SIGBUS, on_bus_error);
#if !defined(__SANITIZE_ADDRESS__)  // whose report says more
  struct sigaction fault {};
  fault.sa_sigaction = on_segmentation_fault;
  sigemptyset(&fault.sa_mask);
  fault.sa_flags = SA_SIGINFO | SA_NODEFER;
  ::sigaction(SIGSEGV, &fault, nullptr);
#endif
  ::signal(SIGPIPE, SIG_IGN);
  const sigset_t ending = ending_signals();
  ::sigprocmask(SIG_UNBLOCK, &ending, nullptr);
}

void block_signals() {
  const sigset_t ending = ending_signals();
  ::sigprocmask(SIG_BLOCK, &ending, nullptr);
}

bool interrupted() { return g_interrupted.load(std::memory_order_relaxed); }

void throw_if_interrupted() {
  if (interrupted()) throw Interrupted("interrupted");
}

void set_interrupted(bool value) { g_interrupted = value; }

}  // namespace edgeclip
