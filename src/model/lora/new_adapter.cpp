#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "model/lora/adapter.h"
#include "model/lora/dora.h"
#include "model/lora/name_match.h"

namespace edgeclip {

namespace {

/// The parameters that the patterns name.
std::set<std::string> named_beside(const torch::nn::Module& model, const std::vector<std::string>& patterns,
                                   const std::string& where) {
  std::set<std::string> names;
  const auto parameters = model.named_parameters();
  for (const auto& pattern : patterns) {
    const NamePattern named(pattern, NamePart::kBefore, where);
    bool found = false;
    for (const auto& item : parameters)
      if (named.fits(item.key())) {
        names.insert(item.key());
        found = true;
      }
    if (!found)
      invalid_input("{}: \"{}\" fits no parameter; {} is one", where, pattern, parameters.begin()->key());
  }
  return names;
}

/// The modules without parts of which all parameters are among names.
std::vector<std::string> whole_modules(const torch::nn::Module& model, const std::set<std::string>& names,
                                       const std::string& where) {
  std::vector<std::string> whole;
  for (const auto& item : model.named_modules()) {
    const auto own = item.value()->named_parameters(/*recurse=*/false);
    const auto named = std::count_if(own.begin(), own.end(), [&](const auto& parameter) {
      return names.count(item.key().empty() ? parameter.key() : item.key() + "." + parameter.key()) != 0;
    });
    if (named == 0) continue;
    if (item.value()->buffers(/*recurse=*/false).size() > 0)
      invalid_input("{}: {} has running statistics, which an adapter cannot keep; leave it frozen", where,
                    item.key());
    if (static_cast<std::size_t>(named) == own.size() && item.value()->children().empty())
      whole.push_back(item.key());
  }
  return whole;
}

void save_whole(LoraOptions& options, const std::vector<std::string>& modules) {
  auto& saved = options.modules_to_save;
  for (const auto& name : modules)
    if (std::none_of(saved.begin(), saved.end(),
                     [&](const std::string& end) { return ends_with_name(name, end); }))
      saved.push_back(name);
}

void copy_named(Adapter& adapter, const torch::nn::Module& model, const std::set<std::string>& names,
                const std::string& where) {
  const auto parameters = model.named_parameters();
  for (const auto& name : names) {
    const auto dot = name.rfind('.');
    if (dot != std::string::npos && name.compare(dot, std::string::npos, ".weight") == 0 &&
        adapter.pairs.count(name.substr(0, dot)) != 0)
      invalid_input(
          "{}: {} is what the adapter adds to, and trains through it alone; leave it out, or merge the adapter "
          "first",
          where, name);
    if (adapter.copies.count(name) == 0)
      adapter.copies.emplace(name,
                             parameters[name].detach().to(torch::kFloat).clone().requires_grad_(true));
  }
}

LoraPair new_pair(const LoraTarget& target, const LoraOptions& options) {
  const torch::Tensor& weight = target.layer->weight;
  const auto like = weight.options().dtype(torch::kFloat).requires_grad(false);
  LoraPair pair;
  pair.A = torch::empty({target.rank, weight.size(1)}, like);
  if (options.init == "gaussian")
    torch::nn::init::normal_(pair.A, 0.0, 1.0 / target.rank);
  else
    torch::nn::init::kaiming_uniform_(pair.A, std::sqrt(5.0));
  pair.B = torch::zeros({weight.size(0), target.rank}, like);
  pair.scale = target.scale;
  pair.dropout = options.dropout;
  if (options.dora) pair.magnitude = row_lengths(weight.detach());
  return pair;
}

}  // namespace

Adapter new_adapter(const torch::nn::Module& model, const LoraOptions& options,
                    const std::vector<std::string>& beside) {
  const torch::NoGradGuard no_grad;
  const std::string where = "lora: ";
  options.validate(where);
  const auto named = named_beside(model, beside, "train");
  Adapter adapter;
  adapter.options = options;
  save_whole(adapter.options, whole_modules(model, named, "train"));
  const auto targets = lora_targets(model, adapter.options, /*strict=*/true, where);
  for (const LoraTarget& target : targets) {
    const auto out = target.layer->weight.size(0), in = target.layer->weight.size(1);
    if (target.rank > std::max(in, out))
      invalid_input("{}rank: {} is more than both sides of {} ({} x {})", where, target.rank, target.name,
                    out, in);
    adapter.pairs.emplace(target.name, new_pair(target, options));
  }
  const auto parameters = model.named_parameters();
  for (const auto& name : copied_parameters(model, adapter.options, targets, where))
    adapter.copies.emplace(name, parameters[name].detach().to(torch::kFloat).clone());
  copy_named(adapter, model, named, "train");
  return adapter;
}

void copy_beside(Adapter& adapter, const torch::nn::Module& model, const std::vector<std::string>& patterns,
                 const std::string& where) {
  const torch::NoGradGuard no_grad;
  const auto named = named_beside(model, patterns, where);
  const auto whole = whole_modules(model, named, where);
  copy_named(adapter, model, named, where);
  save_whole(adapter.options, whole);
}

}  // namespace edgeclip
