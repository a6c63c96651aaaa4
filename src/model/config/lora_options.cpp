#include "model/config/lora_options.h"

#include <cmath>

namespace edgeclip {

namespace {

void require_modules(const std::vector<std::string>& modules, const char* key, bool all_linear,
                     const std::string& where) {
  for (const auto& module : modules) {
    const bool alone = module.rfind("re:", 0) == 0 || (all_linear && module == "all-linear");
    if (module.empty()) invalid_input("{}{}: holds an empty name", where, key);
    if (alone && modules.size() > 1)
      invalid_input("{}{}: \"{}\" stands alone or not at all", where, key, module);
  }
}

}  // namespace

void LoraOptions::validate(const std::string& where) const {
  const auto require_rank = [&](int value, const std::string& key) {
    if (value < 1) invalid_input("{}{}: must be at least 1, is {}", where, key, value);
  };
  const auto require_alpha = [&](double value, const std::string& key) {
    if (!(std::isfinite(value) && value > 0))
      invalid_input("{}{}: must be positive, is {}", where, key, value);
  };
  require_rank(rank, "rank");
  require_alpha(alpha, "alpha");
  for (const auto& [name, value] : rank_pattern) require_rank(value, "rank_pattern[\"" + name + "\"]");
  for (const auto& [name, value] : alpha_pattern) require_alpha(value, "alpha_pattern[\"" + name + "\"]");
  if (!(dropout >= 0 && dropout < 1)) invalid_input("{}dropout: must be in [0, 1), is {}", where, dropout);
  if (target_modules.empty()) invalid_input("{}target_modules: is empty", where);
  require_modules(target_modules, "target_modules", true, where);
  require_modules(exclude_modules, "exclude_modules", false, where);
  for (const auto& module : modules_to_save)
    if (module.empty() || module.rfind("re:", 0) == 0)
      invalid_input("{}modules_to_save: \"{}\": must be the end of a module's name", where, module);
}

}  // namespace edgeclip
