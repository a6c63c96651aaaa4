#pragma once

#include <string>

namespace edgeclip {

/// Makes LibTorch fast on this machine: as many threads as thread_count(), and OpenBLAS kernels that fit the
/// CPU. OpenBLAS 0.3.21 chooses by the CPU's model number and takes the kernels of a Pentium 4 ("Prescott")
/// for any model it does not know, Emerald Rapids among them: matrix products then run at a quarter of the
/// speed.  OPENBLAS_CORETYPE in the environment is obeyed.  Memory of large tensors is kept
/// (cpu_allocator.h).  Call before other threads multiply matrices; again is harmless, and follows
/// set_thread_count().
void prepare_torch();

/// The CPU that OpenBLAS has kernels in use for ("SkylakeX"); "" if the BLAS is another one.
std::string blas_core();

}  // namespace edgeclip
