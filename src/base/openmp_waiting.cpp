#include "base/openmp_waiting.h"

#include <stdlib.h>

namespace edgeclip {

bool choose_openmp_waiting() {
  if (::getenv("OMP_WAIT_POLICY") || ::getenv("GOMP_SPINCOUNT")) return false;
  // Turns of a spin loop: the fewest that cost an idle machine nothing that is seen (0.3 % of a model of 3 ms
  // per image, 1.4 % of ViT-B/32; 500 turns cost 6 % of the first, none at all 40 %).  The default is 300000.
  return ::setenv("GOMP_SPINCOUNT", "1000", 0) == 0;
}

}  // namespace edgeclip
