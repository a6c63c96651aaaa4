#pragma once

#include <memory>
#include <string>

#include "cli/runtime/command.h"
#include "cli/runtime/plan_options.h"
#include "retrieval/encoder.h"

namespace edgeclip {

/// Where a command's encoder comes from: --plan, and --checkpoint in a program that can open one.  A base of
/// option structs; its fields come first.
struct EncoderSource : PlanOptions {
  std::string plan, checkpoint, adapter;
  OpenCheckpoint open_checkpoint;  ///< empty in edgeclip-edge: there is no --checkpoint then

  template <class Visitor>
  void source_fields(Visitor& v) {
    v("plan", plan, "plan folder that encodes");
    if (open_checkpoint) {
      v("checkpoint", checkpoint, "checkpoint folder that encodes, instead of a plan");
      v("adapter", adapter,
        "of --checkpoint: the name of one of its adapters, none, or the folder of a PEFT adapter on top of it");
    }
    plan_fields(v);
  }
  /// Throws InvalidInput unless exactly one of the two is given.
  std::unique_ptr<Encoder> open() const;
  const std::string& path() const { return plan.empty() ? checkpoint : plan; }
};

/// Throws InvalidInput if the encoder came without a tokenizer, as a checkpoint from elsewhere may.
void require_tokenizer(const Encoder& encoder, const std::string& path);

}  // namespace edgeclip
