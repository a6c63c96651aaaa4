#include "engine/ops/activation.h"

#include "engine/ops/support.h"

namespace edgeclip::engine {

namespace {

struct Named {
  Activation activation;
  const char* name;
  const char* op;
  const char* domain;
};

constexpr Named kActivations[] = {{Activation::kRelu, "relu", "Relu", ""},
                                  {Activation::kGelu, "gelu", "Gelu", "edgeclip"},
                                  {Activation::kQuickGelu, "quick_gelu", "QuickGelu", "edgeclip"}};

}  // namespace

std::string activation_name(Activation activation) {
  for (const Named& one : kActivations)
    if (one.activation == activation) return one.name;
  return "";
}

Activation activation_of(const Node& node) {
  const std::string name = node.string_or("activation", "");
  if (name.empty()) return Activation::kNone;
  for (const Named& one : kActivations)
    if (one.name == name) return one.activation;
  refuse(node, "unknown activation \"{}\"", printable(name));
}

Activation activation_by(const Node& node) {
  for (const Named& one : kActivations)
    if (node.is(one.op, one.domain)) return one.activation;
  return Activation::kNone;
}

}  // namespace edgeclip::engine
