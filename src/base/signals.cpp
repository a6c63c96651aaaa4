#include "base/signals.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

#include "base/error.h"

namespace edgeclip {

namespace {

std::atomic<bool> g_interrupted{false};
std::atomic<int> g_held{0};
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
  ::signal(SIGPIPE, SIG_IGN);
  const sigset_t ending = ending_signals();
  ::sigprocmask(SIG_UNBLOCK, &ending, nullptr);
}

void block_signals() {
  const sigset_t ending = ending_signals();
  ::sigprocmask(SIG_BLOCK, &ending, nullptr);
}

bool interrupted() { return signal_arrived() && g_held.load(std::memory_order_relaxed) == 0; }

bool signal_arrived() { return g_interrupted.load(std::memory_order_relaxed); }

InterruptionHeld::InterruptionHeld() { ++g_held; }
InterruptionHeld::~InterruptionHeld() { --g_held; }

void throw_if_interrupted() {
  if (interrupted()) throw Interrupted("interrupted");
}

void set_interrupted(bool value) { g_interrupted = value; }

}  // namespace edgeclip
