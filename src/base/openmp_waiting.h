#pragma once

namespace edgeclip {

/// How OpenMP's threads wait for each other is read from the environment when its library is loaded, before
/// main(); its default, to spin, makes every join wait for a time slice as soon as another program wants the
/// CPU.  Sets GOMP_SPINCOUNT for a program that is executed from here on, unless the user has set it or
/// OMP_WAIT_POLICY.  True if it was set now.
bool choose_openmp_waiting();

}  // namespace edgeclip
