#pragma once

#include "base/threads.h"
#include "dual_encoder/plan_encoder.h"

namespace edgeclip {

/// What every command that encodes by a plan, or runs one, takes.  A base of option structs.
struct PlanOptions {
  bool packed_cache = false;

  template <class Visitor>
  void plan_fields(Visitor& v) {
    v("packed_cache", packed_cache,
      "keeps the weights packed for this CPU in a file beside the .plan file, and maps it from then on: processes "
      "share its memory and start sooner");
  }
  /// Of all threads.
  PlanEncoderOptions encoder_options() const {
    PlanEncoderOptions options;
    options.threads = thread_count();
    options.packed_cache = packed_cache;
    return options;
  }
};

}  // namespace edgeclip
