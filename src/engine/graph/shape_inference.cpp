#include "engine/graph/shape_inference.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "engine/ops/interpreter.h"
#include "engine/ops/operator.h"
#include "engine/ops/support.h"

namespace edgeclip::engine {

namespace {

/// Values of at most this many elements are computed while shapes are inferred: more than any shape needs,
/// little enough to cost nothing.
constexpr std::int64_t kSmall = 4096;

ValueFacts facts_of(const Tensor& tensor) { return {true, tensor.dtype(), tensor.shape(), tensor}; }

Inputs inputs_of(const Node& node, const std::vector<ValueFacts>& facts) {
  Inputs inputs;
  for (const ValueId id : node.inputs) {
    if (id == kNoValue) {
      inputs.emplace_back();
      continue;
    }
    const ValueFacts& f = facts[static_cast<std::size_t>(id)];
    inputs.push_back({f.dtype, f.shape, f.data ? f.data->raw() : nullptr});
  }
  return inputs;
}

bool all_known(const Node& node, const std::vector<ValueFacts>& facts) {
  return std::all_of(node.inputs.begin(), node.inputs.end(),
                     [&](ValueId id) { return id == kNoValue || facts[static_cast<std::size_t>(id)].known; });
}

bool worth_computing(const Node& node, const std::vector<ValueFacts>& facts, const ShapeContext& context) {
  std::int64_t elements = 0;
  for (const Shape& shape : context.output_shapes) elements = std::max(elements, num_elements(shape));
  const Operator* row = find_operator(node.domain, node.op, node.opset);
  if (row && row->reads_shapes_only) return elements <= kSmall;
  for (const ValueId id : node.inputs) {
    if (id == kNoValue) continue;
    const ValueFacts& f = facts[static_cast<std::size_t>(id)];
    if (!f.data) return false;
    elements = std::max(elements, num_elements(f.shape));
  }
  return elements <= kSmall;
}

/// Throws InvalidInput if the node's rule (or kernel, for small known data) refuses.
void infer_into(const Node& node, std::vector<ValueFacts>& facts) {
  ShapeContext context{node, inputs_of(node, facts), {}, {}};
  infer_node(context);
  std::vector<Tensor> data;
  if (worth_computing(node, facts, context)) data = evaluate_node(node, context.inputs);
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] == kNoValue) continue;
    ValueFacts& f = facts[static_cast<std::size_t>(node.outputs[i])];
    f = {true, context.output_dtypes[i], context.output_shapes[i], {}};
    if (!data.empty()) f.data = data[i];
  }
}

/// What a rule that does not get through means for the values behind it.
enum class Refusal {
  error,        ///< an error, always
  data_passes,  ///< an error, unless the rule only lacks data: then they stay unknown
  passes        ///< they stay unknown
};

std::vector<ValueFacts> infer(const Graph& graph, const std::vector<std::optional<Shape>>& input_shapes,
                              const std::vector<std::optional<Tensor>>& input_data, Refusal refusal) {
  EDGECLIP_CHECK(input_shapes.size() == graph.inputs.size(), "{} shapes for {} inputs", input_shapes.size(),
                 graph.inputs.size());
  std::vector<ValueFacts> facts(graph.value_count());
  for (std::size_t i = 0; i < facts.size(); ++i) {
    const Value& value = graph.value(static_cast<ValueId>(i));
    if (value.is_constant()) facts[i] = facts_of(*value.constant);
  }
  for (std::size_t i = 0; i < input_shapes.size(); ++i) {
    if (!input_shapes[i]) continue;
    const Value& value = graph.value(graph.inputs[i]);
    std::uint64_t count = 0;
    if (!checked_num_elements(*input_shapes[i], &count) || count > (std::uint64_t{1} << 40))
      invalid_input("input {}: its size overflows: {}", printable(value.name),
                    shape_string(*input_shapes[i]));
    facts[static_cast<std::size_t>(graph.inputs[i])] = {true, value.dtype, *input_shapes[i],
                                                        i < input_data.size() ? input_data[i] : std::nullopt};
  }
  for (const Node& node : graph.nodes()) {
    if (refusal == Refusal::error) {
      infer_into(node, facts);
      continue;
    }
    if (!all_known(node, facts)) continue;
    try {
      infer_into(node, facts);
    } catch (const DependsOnData&) {
    } catch (const InvalidInput&) {
      if (refusal == Refusal::data_passes) throw;
    }
  }
  return facts;
}

/// The sizes to try for dynamic dimension k: small (a context length limits them), and different for each k.
constexpr int kProbes = 3;
std::int64_t probe_size(std::int64_t k, int probe) {
  static constexpr std::int64_t kFirst[kProbes] = {1, 2, 3}, kStep[kProbes] = {1, 3, 5};
  return kFirst[probe] + kStep[probe] * k;
}

/// Input shapes with the dynamic dimensions replaced; *dynamic: how many there are.
std::vector<std::optional<Shape>> probe_inputs(const Graph& graph, int probe, std::int64_t* dynamic) {
  std::map<std::string, std::int64_t> symbols;
  std::int64_t count = 0;
  std::vector<std::optional<Shape>> shapes;
  for (const ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    if (!value.shape) {
      ++count;
      shapes.emplace_back();
      continue;
    }
    Shape shape = *value.shape;
    for (std::size_t d = 0; d < shape.size(); ++d) {
      if (shape[d] >= 0) continue;
      const std::string symbol = d < value.symbols.size() ? value.symbols[d] : "";
      std::int64_t k = count;
      if (!symbol.empty()) {
        const auto [it, added] = symbols.emplace(symbol, count);
        k = it->second;
        if (added) ++count;
      } else {
        ++count;
      }
      shape[d] = probe_size(k, probe);
    }
    shapes.emplace_back(std::move(shape));
  }
  *dynamic = count;
  return shapes;
}

bool same_data(const std::optional<Tensor>& a, const std::optional<Tensor>& b) {
  if (a.has_value() != b.has_value()) return false;
  if (!a || a->raw() == b->raw()) return true;
  return a->bytes() == b->bytes() && std::memcmp(a->raw(), b->raw(), a->bytes()) == 0;
}

}  // namespace

std::vector<ValueFacts> infer_shapes(const Graph& graph, const std::vector<Shape>& input_shapes,
                                     const std::vector<std::optional<Tensor>>& input_data) {
  return infer(graph, {input_shapes.begin(), input_shapes.end()}, input_data, Refusal::error);
}

ShapeFacts::ShapeFacts(const Graph& graph) {
  for (int probe = 0; probe < kProbes; ++probe) {
    std::int64_t dynamic = 0;
    const auto shapes = probe_inputs(graph, probe, &dynamic);
    probes_.push_back(infer(graph, shapes, {}, dynamic > 0 ? Refusal::passes : Refusal::data_passes));
  }
}

bool ShapeFacts::same(ValueId a, ValueId b) const {
  return std::all_of(probes_.begin(), probes_.end(), [&](const std::vector<ValueFacts>& facts) {
    const ValueFacts &x = facts.at(static_cast<std::size_t>(a)), &y = facts.at(static_cast<std::size_t>(b));
    return x.known && y.known && x.shape == y.shape;
  });
}

std::optional<Shape> ShapeFacts::shape(ValueId id) const {
  std::optional<Shape> result;
  for (const auto& facts : probes_) {
    const ValueFacts& f = facts.at(static_cast<std::size_t>(id));
    if (!f.known || (result && result->size() != f.shape.size())) return {};
    if (!result) result = f.shape;
    for (std::size_t d = 0; d < f.shape.size(); ++d)
      if ((*result)[d] != f.shape[d]) (*result)[d] = -1;
  }
  return result;
}

std::optional<DType> ShapeFacts::dtype(ValueId id) const {
  const ValueFacts& f = probes_.front().at(static_cast<std::size_t>(id));
  return f.known ? std::optional<DType>(f.dtype) : std::nullopt;
}

bool ShapeFacts::surely_wrong(const Node& node) const {
  for (const ValueId id : node.inputs) {
    if (id == kNoValue) continue;
    const ValueFacts& first = probes_.front().at(static_cast<std::size_t>(id));
    if (!first.known) return false;
    for (const auto& facts : probes_) {
      const ValueFacts& f = facts.at(static_cast<std::size_t>(id));
      if (!f.known || f.shape != first.shape || !same_data(f.data, first.data)) return false;
    }
  }
  for (const ValueId id : node.outputs)
    if (id != kNoValue && !probes_.front().at(static_cast<std::size_t>(id)).known) return true;
  return false;
}

void annotate_shapes(Graph& graph) {
  const ShapeFacts facts(graph);
  for (const Node& node : graph.nodes()) facts.refuse_if_wrong(node);
  for (const Node& node : graph.nodes()) {
    for (const ValueId id : node.outputs) {
      if (id == kNoValue) continue;
      Value& value = graph.value(id);
      value.shape = facts.shape(id);
      if (const auto dtype = facts.dtype(id)) value.dtype = *dtype;
    }
  }
}

void ShapeFacts::refuse_if_wrong(const Node& node) const {
  if (!surely_wrong(node)) return;
  std::vector<ValueFacts> facts = probes_.front();
  try {
    infer_into(node, facts);
  } catch (const DependsOnData&) {
  }
}

}  // namespace edgeclip::engine
