#include "model/lora/adapter.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/nearest.h"
#include "model/lora/linear_layers.h"
#include "model/lora/name_match.h"

namespace edgeclip {

namespace {

/// {"end of a name": value}, as expressions; the first key that fits a name counts.
template <class T>
class Patterns {
 public:
  Patterns(const std::map<std::string, T>& patterns, const std::string& where) {
    for (const auto& [key, value] : patterns) {
      NameExpression(key, where);  // so that the message shows the key alone
      rows_.push_back({key, NameExpression("(.*\\.)?(" + key + ")", where), value});
    }
  }
  /// A key that fits none of the names, or "".
  std::string idle_key(const std::vector<LoraTarget>& targets) const {
    for (const Row& row : rows_)
      if (std::none_of(targets.begin(), targets.end(),
                       [&](const LoraTarget& target) { return row.expression.fits(target.name); }))
        return row.key;
    return "";
  }
  T value(const std::string& name, T otherwise) const {
    for (const Row& row : rows_)
      if (row.expression.fits(name)) return row.value;
    return otherwise;
  }

 private:
  struct Row {
    std::string key;
    NameExpression expression;
    T value;
  };
  std::vector<Row> rows_;
};

std::string last_part(const std::string& name) { return name.substr(name.rfind('.') + 1); }

/// Whether name is a module that an entry of modules_to_save names, or lies in one (PEFT's rule).
bool lies_in_saved(const std::string& name, const std::vector<std::string>& saved) {
  for (auto end = name.size(); end != std::string::npos && end > 0; end = name.rfind('.', end - 1))
    for (const auto& entry : saved)
      if (ends_with_name(name.substr(0, end), entry)) return true;
  return false;
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

[[noreturn]] void no_layer(const std::string& where, const std::string& target,
                           const std::vector<std::pair<std::string, Linear>>& layers) {
  std::set<std::string> ends;
  for (const auto& [name, layer] : layers) ends.insert(last_part(name));
  const std::vector<std::string> known(ends.begin(), ends.end());
  invalid_input("{}target_modules: \"{}\" fits no linear layer of the model{}", where, target,
                did_you_mean(target, known));
}

}  // namespace

std::vector<LoraTarget> lora_targets(const torch::nn::Module& model, const LoraOptions& options, bool strict,
                                     const std::string& where) {
  const auto layers = linear_layers(model);
  for (const auto& [name, layer] : layers) EDGECLIP_CHECK(!layer->lora(), "{}: an adapter is in use", name);
  const bool all = options.target_modules == std::vector<std::string>{"all-linear"};
  const NameList wanted(options.target_modules, where + "target_modules"),
      excluded(options.exclude_modules, where + "exclude_modules");
  const Patterns<int> ranks(options.rank_pattern, where + "rank_pattern");
  const Patterns<double> alphas(options.alpha_pattern, where + "alpha_pattern");

  if (strict && !all)
    for (const auto& target : options.target_modules) {
      const NameList one({target}, where + "target_modules");
      if (std::none_of(layers.begin(), layers.end(), [&](const auto& item) { return one.fits(item.first); }))
        no_layer(where, target, layers);
    }
  std::vector<LoraTarget> targets;
  for (const auto& [name, layer] : layers) {
    if (!(all || wanted.fits(name)) || excluded.fits(name) || lies_in_saved(name, options.modules_to_save))
      continue;
    LoraTarget target{name, layer, ranks.value(name, options.rank), 0};
    const double alpha = alphas.value(name, options.alpha);
    target.scale = alpha / (options.rank_stabilized ? std::sqrt(target.rank) : target.rank);
    targets.push_back(std::move(target));
  }
  if (targets.empty() && (all || std::any_of(layers.begin(), layers.end(),
                                             [&](const auto& item) { return wanted.fits(item.first); })))
    invalid_input("{}exclude_modules and modules_to_save leave none of the layers that target_modules names",
                  where);
  if (targets.empty()) no_layer(where, options.target_modules.front(), layers);
  if (strict) {
    for (const auto& [name, key] : {std::pair{"rank_pattern", ranks.idle_key(targets)},
                                    std::pair{"alpha_pattern", alphas.idle_key(targets)}})
      if (!key.empty()) invalid_input("{}{}: \"{}\" fits no layer that gets an adapter", where, name, key);
    for (const auto& entry : options.exclude_modules) {
      const NameList one({entry}, where + "exclude_modules");
      if (std::none_of(layers.begin(), layers.end(), [&](const auto& item) { return one.fits(item.first); }))
        invalid_input("{}exclude_modules: \"{}\" fits no linear layer of the model", where, entry);
    }
  }
  return targets;
}

std::vector<std::string> copied_parameters(const torch::nn::Module& model, const LoraOptions& options,
                                           const std::vector<LoraTarget>& targets, const std::string& where) {
  std::vector<std::string> modules;
  for (const auto& end : options.modules_to_save) {
    const auto before = modules.size();
    for (const auto& item : model.named_modules())
      if (ends_with(item.key(), end)) modules.push_back(item.key());
    if (modules.size() == before)
      invalid_input("{}modules_to_save: \"{}\" fits no module of the model", where, end);
  }
  for (const auto& item : model.named_buffers())
    for (const auto& module : modules)
      if (item.key().rfind(module + ".", 0) == 0)
        invalid_input("{}modules_to_save: {} has running statistics ({}), which an adapter cannot keep",
                      where, module, item.key());
  std::vector<std::string> names;
  for (const auto& item : model.named_parameters()) {
    const std::string& name = item.key();
    const bool saved = std::any_of(modules.begin(), modules.end(), [&](const std::string& module) {
      return name.size() > module.size() && name[module.size()] == '.' && name.rfind(module, 0) == 0;
    });
    bool bias = false;
    if (options.bias != "none" && ends_with_name(name, "bias"))
      bias = options.bias == "all" ||
             std::any_of(targets.begin(), targets.end(),
                         [&](const LoraTarget& target) { return name == target.name + ".bias"; });
    if (saved || bias) names.push_back(name);
  }
  return names;
}

}  // namespace edgeclip
