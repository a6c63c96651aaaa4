#pragma once

#include <string>

#include "base/json.h"
#include "model/config/lora_options.h"

namespace edgeclip {

/// PEFT's adapter_config.json as options.  where: the file.  Throws InvalidInput naming the key: a value of a
/// wrong type, or an option that is on and that we do not have; what is not known is not ignored.
LoraOptions lora_options_of(const Json& peft, const std::string& where);

/// The other way.  before: the configuration the adapter was read from, whose other keys stay, or null.
/// targets: the names that "all-linear" stands for.
Json peft_config_of(const LoraOptions& options, const Json& before, const std::vector<std::string>& targets);

}  // namespace edgeclip
