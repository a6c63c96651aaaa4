#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/openmp_waiting.h"
#include "base/signals.h"

/// Starts ../libexec/edgeclip/edgeclip-workshop, the workstation's program, and is replaced by it.  Loading LibTorch
/// takes up to a second, in which a signal would end the process raw: it is held back here, and OpenMP's way
/// of waiting is chosen before its library is loaded.
int main(int, char** argv) {
  constexpr const char* kProgram = "/../libexec/edgeclip/edgeclip-workshop";
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path - strlen(kProgram) - 1);
  if (length > 0) {
    path[length] = 0;
    strcpy(strrchr(path, '/'), kProgram);
    edgeclip::block_signals();
    edgeclip::choose_openmp_waiting();
    execv(path, argv);
  }
  fprintf(stderr, "edgeclip: %s: cannot be started (%s); install edgeclip again\n", length > 0 ? path : "",
          strerror(errno));
  return 1;
}
