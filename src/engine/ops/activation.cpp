#include "engine/ops/activation.h"

#include "engine/ops/support.h"

namespace edgeclip::engine {

namespace {

constexpr const char *kName = "activation", *kAlpha = "activation_alpha", *kBeta = "activation_beta";

struct Named {
  Activation::Kind kind;
  const char* name;
  int parameters;  ///< 1: alpha, 2: alpha and beta
};

constexpr Named kActivations[] = {{Activation::kRelu, "relu", 0},
                                  {Activation::kClip, "clip", 2},
                                  {Activation::kLeakyRelu, "leaky_relu", 1},
                                  {Activation::kSigmoid, "sigmoid", 0},
                                  {Activation::kHardSigmoid, "hard_sigmoid", 2},
                                  {Activation::kHardSwish, "hard_swish", 0},
                                  {Activation::kSwish, "swish", 1},
                                  {Activation::kTanh, "tanh", 0},
                                  {Activation::kGelu, "gelu", 0},
                                  {Activation::kGeluTanh, "gelu_tanh", 0},
                                  {Activation::kQuickGelu, "quick_gelu", 0}};

float parameter(const Node& node, const Named& named, const char* attribute) {
  if (!node.has(attribute)) refuse(node, "activation \"{}\" needs attribute {}", named.name, attribute);
  const float value = node.float_or(attribute, 0);
  if (named.kind == Activation::kClip ? std::isnan(value) : !std::isfinite(value))
    refuse(node, "attribute {} is {}", attribute, value);
  return value;
}

}  // namespace

Activation activation_of(const Node& node) {
  const std::string name = node.string_or(kName, "");
  if (name.empty()) return Activation::kNone;
  for (const Named& one : kActivations) {
    if (one.name != name) continue;
    Activation activation(one.kind);
    if (one.parameters > 0) activation.alpha = parameter(node, one, kAlpha);
    if (one.parameters > 1) activation.beta = parameter(node, one, kBeta);
    if (one.kind == Activation::kClip && activation.alpha > activation.beta)
      refuse(node, "clips between {} and {}", activation.alpha, activation.beta);
    return activation;
  }
  refuse(node, "unknown activation \"{}\"", printable(name));
}

void set_activation(std::map<std::string, Attribute>& attributes, const Activation& activation) {
  for (const char* name : {kName, kAlpha, kBeta}) attributes.erase(name);
  for (const Named& one : kActivations) {
    if (one.kind != activation.kind) continue;
    attributes[kName] = std::string(one.name);
    if (one.parameters > 0) attributes[kAlpha] = activation.alpha;
    if (one.parameters > 1) attributes[kBeta] = activation.beta;
  }
}

bool is_product_activation(const Activation& activation) {
  return activation == Activation::kNone || activation == Activation::kRelu ||
         activation == Activation::kGelu || activation == Activation::kQuickGelu;
}

Activation product_activation_of(const Node& node) {
  const Activation activation = activation_of(node);
  if (!is_product_activation(activation))
    unsupported(node, "has no activation \"{}\"", printable(node.string_or(kName, "")));
  return activation;
}

}  // namespace edgeclip::engine
