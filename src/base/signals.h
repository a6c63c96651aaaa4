#pragma once

namespace edgeclip {

/// SIGINT and SIGTERM set a flag that loops look at; a second one ends the process at once with 130.  SIGPIPE
/// is ignored.  Call once at start-up.
void install_signal_handlers();

/// True once a signal arrived.  Thread-safe, cheap.
bool interrupted();

/// Throws Interrupted if interrupted().
void throw_if_interrupted();

/// For tests: as if a signal had arrived, or never had.
void set_interrupted(bool value);

}  // namespace edgeclip
