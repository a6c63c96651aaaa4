#pragma once

#include <cstddef>

/// How a process ends for want of memory where no exception of ours can say so: in a library's code.
namespace edgeclip {

/// Whether so many bytes of memory can be had now.  Async-signal-safe.
bool can_have_memory(std::size_t bytes) noexcept;

/// One line, what is unfinished removed (base/unfinished.h), exit 4.  Async-signal-safe, thread-safe.
[[noreturn]] void end_out_of_memory() noexcept;

/// From here on the process ends so where a library writes to a null pointer because there was no memory
/// (SIGSEGV), and where an exception that says so (std::bad_alloc) may not pass: from a thread or a
/// destructor of a library, or before main().
void install_out_of_memory_handlers();

/// Watches over the start: libraries that wait for ever for memory (OpenBLAS, before main(); LibTorch's
/// thread pool) are not waited for once there has been none for some seconds.  Installs the handlers, too.
/// Called before the libraries' own start-up code, by EDGECLIP_GUARD_START; uses SIGALRM until
/// end_start_guard().
void guard_start();
void end_start_guard();

}  // namespace edgeclip

/// In a program's main file.  ld.so calls what is named there before the start-up code of the libraries.
#if defined(__SANITIZE_ADDRESS__)  // whose own start-up code has to come first
#define EDGECLIP_GUARD_START() static_assert(true)
#else
#define EDGECLIP_GUARD_START()                                                                    \
  [[gnu::section(".preinit_array"), gnu::used, gnu::retain]] static void (*const start_guard)() = \
      ::edgeclip::guard_start
#endif
