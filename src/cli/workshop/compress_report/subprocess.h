#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace edgeclip::compress_report {

/// edgeclip-edge of this installation, whose processes hold nothing of the workshop's libraries; this very program where there is none.
std::filesystem::path edge_program();
/// This very program.
std::filesystem::path own_program();

/// Runs a program with these arguments; what it writes to stdout and stderr goes to the file `log`, which is replaced.  Returns its
/// exit status.  The child is a process group of its own, so that a terminal's Ctrl-C reaches it once: a signal that arrives here is
/// passed on as SIGTERM, and when the child has ended with what it finished kept, Interrupted is thrown.  A child whose parent dies is
/// killed.  Throws MachineFault if it cannot be started, or is ended by a signal (out of memory).  Not thread-safe: one at a time.
int run_program(const std::filesystem::path& program, const std::vector<std::string>& arguments, const std::filesystem::path& log);

}  // namespace edgeclip::compress_report
