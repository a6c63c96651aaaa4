#pragma once

namespace edgeclip {

/// SIGINT, SIGTERM and SIGHUP set a flag that loops look at; a further SIGINT or SIGTERM ends the process at
/// once with 130 (not SIGHUP: a terminal that goes may send it twice).  SIGHUP stays ignored where it is
/// (nohup). SIGPIPE is ignored.  SIGBUS, a mapped file that cannot be read, ends the process with a line and
/// 4.  Signals that block_signals() held back arrive now.  Call once at start-up.
void install_signal_handlers();

/// Holds SIGINT, SIGTERM and SIGHUP back, across exec too, until install_signal_handlers().
void block_signals();

/// True once a signal arrived.  Thread-safe, cheap.
bool interrupted();

/// Throws Interrupted if interrupted().
void throw_if_interrupted();

/// For its lifetime interrupted() is false, in all threads: a process among others that work together ends where
/// all have agreed to, not in the midst of what they do together.
class InterruptionHeld {
 public:
  InterruptionHeld();
  ~InterruptionHeld();
  InterruptionHeld(const InterruptionHeld&) = delete;
  InterruptionHeld& operator=(const InterruptionHeld&) = delete;
};

/// True once a signal arrived, held or not: what there is to agree about.
bool signal_arrived();

/// For tests: as if a signal had arrived, or never had.
void set_interrupted(bool value);

}  // namespace edgeclip
