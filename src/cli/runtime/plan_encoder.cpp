#include "cli/runtime/plan_encoder.h"

namespace edgeclip {

int PlanEncoder::max_batch() const {
  const auto& batches = runner_.info().batches;
  return batches.empty() ? 1 : batches.back();
}

}  // namespace edgeclip
