#include "model/freeze.h"

#include "base/error.h"
#include "model/lora/name_match.h"

namespace edgeclip {

std::int64_t freeze_parameters(torch::nn::Module& model, const std::vector<std::string>& patterns,
                               const std::string& where) {
  std::int64_t frozen = 0;
  auto parameters = model.named_parameters();
  for (const auto& pattern : patterns) {
    const NamePattern named(pattern, NamePart::kBefore, where);
    bool found = false;
    for (auto& item : parameters) {
      if (!named.fits(item.key())) continue;
      found = true;
      if (item.value().requires_grad()) frozen += item.value().numel();
      item.value().requires_grad_(false);
    }
    if (!found)
      invalid_input("{}: \"{}\" fits no parameter; {} is one", where, pattern, parameters.begin()->key());
  }
  return frozen;
}

}  // namespace edgeclip
