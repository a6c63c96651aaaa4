#include "engine/ops/check_node.h"

#include <algorithm>

#include "engine/ops/left_out.h"
#include "engine/ops/operator.h"
#include "engine/ops/support.h"

namespace edgeclip::engine {

namespace {

std::string inputs_needed(const Operator& row) {
  if (row.max_inputs == row.min_inputs) return std::to_string(row.min_inputs);
  if (row.max_inputs == Operator::kAnyNumber) return fmt::format("{} or more", row.min_inputs);
  return fmt::format("{} to {}", row.min_inputs, row.max_inputs);
}

}  // namespace

void check_node(const Node& node) {
  const Operator* op = find_operator(node.domain, node.op, node.opset);
  if (const std::string why = node.domain.empty() ? why_left_out(node.op) : ""; !op && !why.empty())
    unsupported(node, "the engine leaves this operator out: {}", why);
  if (!op)
    unsupported(node, "operator {} of domain \"{}\" at opset {} is not one the engine has",
                printable(node.op), printable(node.domain), node.opset);
  const auto inputs = static_cast<int>(node.inputs.size()), outputs = static_cast<int>(node.outputs.size());
  if (inputs < op->min_inputs || inputs > op->max_inputs)
    refuse(node, "{} inputs are given, {} needed", inputs, inputs_needed(*op));
  if (outputs < 1 || outputs > op->max_outputs)
    refuse(node, "{} outputs are named, it has {}", outputs, op->max_outputs);
  for (int i = 0; i < outputs; ++i)
    if (node.outputs[static_cast<std::size_t>(i)] == kNoValue) refuse(node, "its output {} is left out", i);
  const int needed = op->max_inputs == Operator::kAnyNumber ? inputs : op->min_inputs;
  for (int i = 0; i < needed; ++i)
    if (!node.has_input(static_cast<std::size_t>(i))) refuse(node, "its input {} is left out", i);

  const std::vector<AttributeRule>& rules = attribute_rules(*op);
  for (const AttributeRule& rule : rules) {
    const auto it = node.attributes.find(rule.name);
    if (it == node.attributes.end()) {
      if (rule.required) refuse(node, "attribute {} is missing", rule.name);
    } else if (const char given = attribute_letter(it->second); given != rule.letter) {
      refuse(node, "attribute {} must be {}, not {}", rule.name, attribute_words(rule.letter),
             attribute_words(given));
    }
  }
  for (const auto& attribute : node.attributes) {
    const std::string& name = attribute.first;  // clang 14 does not capture structured bindings
    if (std::none_of(rules.begin(), rules.end(),
                     [&](const AttributeRule& rule) { return rule.name == name; }))
      unsupported(node, "has no attribute {} in the engine", printable(name));
  }
}

}  // namespace edgeclip::engine
