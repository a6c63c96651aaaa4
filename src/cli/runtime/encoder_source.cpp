#include "cli/runtime/encoder_source.h"

#include "base/error.h"
#include "dual_encoder/plan_encoder.h"

namespace edgeclip {

std::unique_ptr<Encoder> EncoderSource::open() const {
  const char* choices = open_checkpoint ? "--plan or --checkpoint" : "--plan";
  if (plan.empty() && checkpoint.empty()) invalid_input("no encoder: name one with {}", choices);
  if (!plan.empty() && !checkpoint.empty())
    invalid_input("--plan and --checkpoint exclude each other; name one of them");
  if (plan.empty() && packed_cache) invalid_input("--packed-cache: is of a plan; leave it out with --checkpoint");
  if (checkpoint.empty() && !adapter.empty())
    invalid_input("--adapter {}: a plan holds one model; give it with --checkpoint", adapter);
  if (!plan.empty()) return std::make_unique<PlanEncoder>(plan, encoder_options());
  return open_checkpoint(checkpoint, adapter);
}

void require_tokenizer(const Encoder& encoder, const std::string& path) {
  if (!encoder.tokenizer())
    invalid_input("{}: has no tokenizer/, so it cannot read texts; give it token ids (encode --tokens)",
                  path);
}

}  // namespace edgeclip
