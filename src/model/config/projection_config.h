#pragma once

#include <string>

#include "base/options.h"

namespace edgeclip {

/// What leads from a tower's width to the embedding.
struct ProjectionConfig {
  std::string model_type = "linear";  ///< "linear" | "mlp"
  std::string hidden_act = "gelu";
  double dropout = 0.1;
  double layer_norm_eps = 1e-5;

  template <class Visitor>
  void fields(Visitor& v) {
    v("model_type", model_type,
      "linear without bias (CLIP's), or mlp: linear, activation, linear, dropout, residual, LayerNorm",
      {"linear", "mlp"});
    if (model_type != "mlp") return;
    v("hidden_act", hidden_act, "between the two linear layers", {"gelu", "relu"});
    v("dropout", dropout, "before the residual, in training");
    v("layer_norm_eps", layer_norm_eps, "epsilon of LayerNorm");
  }

  bool is_linear() const { return model_type == "linear"; }
  /// Throws InvalidInput; where: prefix of the key's name.
  void validate(const std::string& where) const;
};

}  // namespace edgeclip
