#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/config/lora_options.h"
#include "model/linear.h"

namespace edgeclip {

/// The weights of one adapter, apart from any model.
struct Adapter {
  LoraOptions options;
  std::map<std::string, LoraPair> pairs;        ///< by the linear layer's dotted name
  std::map<std::string, torch::Tensor> copies;  ///< of whole parameters (modules to save, biases, ...), by name
  Json peft;                                    ///< the configuration it was read from, or null
};

/// A linear layer that gets an adapter.
struct LoraTarget {
  std::string name;
  Linear layer{nullptr};
  int rank = 0;
  double scale = 0;
};

/// In all that follow: model must use no adapter (AdapterSet::use("")), since names and values are the
/// base's.

/// The layers of model that options name, with the rank and scale of each.  strict: every entry of
/// target_modules must fit one.  where: start of messages ("lora: ", "FILE: ").  Throws InvalidInput.
std::vector<LoraTarget> lora_targets(const torch::nn::Module& model, const LoraOptions& options, bool strict,
                                     const std::string& where);

/// Names of the parameters that train whole with the adapter: those below modules_to_save, and biases.
std::vector<std::string> copied_parameters(const torch::nn::Module& model, const LoraOptions& options,
                                           const std::vector<LoraTarget>& targets, const std::string& where);

/// A new adapter for model: B zero, A as options.init says (from torch's generator), magnitudes the lengths of
/// the weights' rows, copies equal to the model's.  float32.  beside: what trains whole with it, as in
/// copy_beside(); a linear layer among it gets no pair.  Throws InvalidInput if options do not fit the model.
Adapter new_adapter(const torch::nn::Module& model, const LoraOptions& options,
                    const std::vector<std::string>& beside = {});

/// Gives adapter copies of the parameters that patterns name (name_match.h: a module with all that lies below
/// it, or a parameter), equal to the model's.  Modules of which all is copied join options.modules_to_save,
/// PEFT's way to say so.  where: start of messages ("train").  Throws InvalidInput for a pattern that fits
/// nothing, a weight that the adapter has a pair for, and running statistics.
void copy_beside(Adapter& adapter, const torch::nn::Module& model, const std::vector<std::string>& patterns,
                 const std::string& where);

}  // namespace edgeclip
