#include "engine/ops/check_node.h"

#include <set>
#include <sstream>

#include "engine/ops/operator.h"
#include "engine/ops/support.h"

namespace edgeclip::engine {

void check_node(const Node& node) {
  const Operator* op = find_operator(node.domain, node.op, node.opset);
  if (!op)
    refuse(node, "operator {} of domain \"{}\" at opset {} is not one the engine has", printable(node.op),
           printable(node.domain), node.opset);
  const auto inputs = static_cast<int>(node.inputs.size()), outputs = static_cast<int>(node.outputs.size());
  if (inputs < op->min_inputs || inputs > op->max_inputs || outputs < 1 || outputs > op->max_outputs)
    refuse(node, "the operator does not have {} inputs and {} outputs", inputs, outputs);
  for (int i = 0; i < outputs; ++i)
    if (node.outputs[static_cast<std::size_t>(i)] == kNoValue) refuse(node, "output {} is left out", i);
  const int needed = op->max_inputs == Operator::kAnyNumber ? inputs : op->min_inputs;
  for (int i = 0; i < needed; ++i)
    if (node.inputs[static_cast<std::size_t>(i)] == kNoValue) refuse(node, "input {} is left out", i);

  constexpr const char* kLetters = "ifsIFSt";  // in the order of Attribute's alternatives
  std::istringstream words(op->attributes);
  std::set<std::string> known;
  for (std::string word; words >> word;) {
    const std::size_t colon = word.find(':');
    const std::string name = word.substr(0, colon);
    known.insert(name);
    const auto it = node.attributes.find(name);
    if (it == node.attributes.end()) {
      if (word.back() == '!') refuse(node, "attribute {} is missing", name);
    } else if (kLetters[it->second.index()] != word.at(colon + 1)) {
      refuse(node, "attribute {} is of another type", name);
    }
  }
  for (const auto& [name, value] : node.attributes)
    if (known.count(name) == 0) refuse(node, "the operator has no attribute {}", printable(name));
}

}  // namespace edgeclip::engine
