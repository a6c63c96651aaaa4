#pragma once

#include <exception>
#include <filesystem>

#include "base/error.h"

/// A file that is bad and a machine that is bad are different things: the first is left out by policy or
/// mended by the user, the second stops the command.
namespace edgeclip {

/// Whether an error number says that the machine failed (no memory, disk space, descriptors, threads; I/O
/// error; stale network file) rather than that the path is wrong.
bool is_machine_error(int error);

/// "PATH: WHAT: strerror; REMEDY" as MachineFault or InvalidInput, as is_machine_error() says.  The remedy of
/// a machine's fault follows from the number; `remedy` is that of a wrong path, "" for none.
[[noreturn]] void throw_io_error(const std::filesystem::path& path, const char* what, int error,
                                 const char* remedy = "");

/// "PATH: cannot be written: ...; choose another output path", likewise.
[[noreturn]] void throw_output_error(const std::filesystem::path& path, int error);

/// Whether an exception's text says that there was no memory: LibTorch, oneDNN and OpenCV have types of their
/// own.
bool says_out_of_memory(const char* what);

/// True for MachineFault, std::bad_alloc, system errors with a machine's number, and what says that there was
/// no memory: what a loop that keeps its finished part has to tell from faults of its input.
bool is_machine_fault(const std::exception_ptr& error);

/// The type of what lies at path, links followed; not_found if nothing does.  Throws MachineFault if the
/// machine could not tell, which std::filesystem would call not_found as well.
std::filesystem::file_type file_type_at(const std::filesystem::path& path);

}  // namespace edgeclip
