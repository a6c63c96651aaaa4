#include "engine/graph/symbolic_inference.h"

#include <algorithm>
#include <set>

#include "engine/graph/value_facts.h"
#include "engine/ops/interpreter.h"
#include "engine/ops/support.h"

namespace edgeclip::engine {

namespace {

/// A size that most operators take, where only a rule's types and ranks are looked at.
constexpr std::int64_t kSampleSize = 8;

/// Whether the rank of the outputs follows from the ranks of the inputs, though no rule gives the sizes.
bool rank_follows_from_ranks(const Node& node) { return node.is("Einsum") || node.is("Det"); }

class SymbolicInference {
 public:
  explicit SymbolicInference(const Graph& graph) : graph_(graph), facts_{} {
    facts_.values.resize(graph.value_count());
    for (const ValueId id : graph.inputs)
      for (const std::string& name : graph.value(id).symbols) names_.insert(name);
  }

  SymbolicFacts run() {
    for (std::size_t i = 0; i < graph_.value_count(); ++i) {
      const Value& value = graph_.value(static_cast<ValueId>(i));
      if (value.is_constant()) facts_.values[i] = of_tensor(*value.constant);
    }
    for (const ValueId id : graph_.inputs) at(id) = named(of_input(graph_.value(id)));
    for (const Node& node : graph_.nodes()) infer(node);
    return std::move(facts_);
  }

 private:
  SymbolicValue& at(ValueId id) { return facts_.values.at(static_cast<std::size_t>(id)); }

  static SymbolicValue of_tensor(const Tensor& tensor) {
    return {tensor.dtype(), SymbolicShape(tensor.shape().begin(), tensor.shape().end()), tensor, {}};
  }

  SymbolicDim fresh(std::string name) {
    while (!names_.insert(name).second) name += "'";
    return SymbolicDim::symbol(name);
  }

  SymbolicValue of_input(const Value& value) {
    SymbolicValue result;
    result.dtype = value.dtype;
    if (!value.shape) return result;
    result.shape.emplace();
    for (std::size_t d = 0; d < value.shape->size(); ++d) {
      const bool named = d < value.symbols.size() && !value.symbols[d].empty();
      if ((*value.shape)[d] >= 0)
        result.shape->emplace_back((*value.shape)[d]);
      else
        result.shape->push_back(named ? SymbolicDim::symbol(value.symbols[d])
                                      : fresh(fmt::format("{}[{}]", printable(value.name), d)));
    }
    return result;
  }

  void infer(const Node& node) {
    if (node.outputs.empty()) return;
    SymbolicNode n{node, {}, std::vector<SymbolicValue>(node.outputs.size())};
    bool shapes = true, concrete = true, partial = false;
    for (const ValueId id : node.inputs) {
      n.inputs.push_back(id == kNoValue ? nullptr : &at(id));
      if (id == kNoValue) continue;
      const SymbolicValue& input = at(id);
      shapes = shapes && input.shape && input.dtype;
      concrete = concrete && input.dtype && input.concrete();
      partial = partial || input.elements;
    }
    const Outcome outcome = concrete ? infer_concrete(n, partial) : Outcome::lacks_data;
    if (outcome == Outcome::lacks_data) infer_by_rule(n, shapes);
    if (outcome == Outcome::lacks_data || (outcome == Outcome::done && partial)) elements(n);
    for (std::size_t i = 0; i < node.outputs.size(); ++i)
      if (node.outputs[i] != kNoValue) at(node.outputs[i]) = named(std::move(n.outputs[i]));
  }

  enum class Outcome { done, lacks_data, refused };

  /// By the operator's own rule.  partial: a part of some input's elements is known, which the rule does not
  /// see.
  Outcome infer_concrete(SymbolicNode& n, bool partial) {
    std::vector<ValueFacts> known(n.inputs.size());
    std::vector<const ValueFacts*> inputs(n.inputs.size(), nullptr);
    for (std::size_t i = 0; i < n.inputs.size(); ++i) {
      if (!n.has(i)) continue;
      known[i] = {true, *n.inputs[i]->dtype, *n.inputs[i]->concrete(), n.inputs[i]->data};
      inputs[i] = &known[i];
    }
    try {
      const auto outputs = infer_node_values(n.node, inputs);
      for (std::size_t i = 0; i < n.outputs.size(); ++i)
        n.outputs[i] = {outputs[i].dtype,
                        SymbolicShape(outputs[i].shape.begin(), outputs[i].shape.end()),
                        outputs[i].data,
                        {}};
      return Outcome::done;
    } catch (const DependsOnData&) {
      return Outcome::lacks_data;
    } catch (const InvalidInput&) {
      if (!partial) facts_.refusals.emplace(n.node.outputs.front(), std::current_exception());
      return Outcome::refused;
    }
  }

  void infer_by_rule(SymbolicNode& n, bool shapes) {
    const SymbolicRule* rule = find_symbolic_rule(n.node);
    if (rule) {
      for (std::size_t i = 0; i < n.outputs.size(); ++i) n.outputs[i].dtype = rule->dtype(n, i);
      if (!shapes) return;
      try {
        rule->shapes(n);
      } catch (const InvalidInput&) {  // it does not fit; that is said when the sizes are known
        for (SymbolicValue& output : n.outputs) output.shape.reset();
      }
    }
    if (shapes && (!rule || (rank_follows_from_ranks(n.node) && !n.outputs[0].shape))) sample(n);
  }

  /// Types and ranks from the operator's own rule for some sizes; nothing else is taken from it.
  void sample(SymbolicNode& n) {
    std::map<std::string, std::int64_t> sizes;
    for (const std::string& name : names_) sizes.emplace(name, kSampleSize);
    ShapeContext context{n.node, {}, {}, {}};
    for (const SymbolicValue* input : n.inputs) {
      TensorView view;
      if (input) {
        view.dtype = *input->dtype;
        for (const SymbolicDim& dim : *input->shape)
          view.shape.push_back(std::max<std::int64_t>(dim.evaluate(sizes).value_or(kSampleSize), 0));
        if (input->data) view.data = input->data->raw();
        if (!fits(view.shape)) return;
      }
      context.inputs.push_back(std::move(view));
    }
    try {
      infer_node(context);
    } catch (const InvalidInput&) {
      return;
    }
    for (std::size_t i = 0; i < n.outputs.size(); ++i) {
      n.outputs[i].dtype = context.output_dtypes[i];
      n.outputs[i].shape = SymbolicShape(context.output_shapes[i].size(), SymbolicDim::unknown());
    }
  }

  static void elements(SymbolicNode& n) {
    const bool known = std::any_of(n.outputs.begin(), n.outputs.end(),
                                   [](const SymbolicValue& output) { return output.data.has_value(); });
    if (known) return;
    try {
      compute_elements(n);
    } catch (const InvalidInput&) {  // an index out of range: said when the node runs
    }
  }

  /// Whether a tensor can be that large: what add_output() of ops/support.h lets pass.
  static bool fits(const Shape& shape) {
    std::uint64_t count = 0;
    return std::all_of(shape.begin(), shape.end(), [](std::int64_t d) { return d >= 0; }) &&
           checked_num_elements(shape, &count) && count <= (std::uint64_t{1} << 40);
  }

  static bool can_be(const SymbolicShape& shape) {
    Shape least;
    for (const SymbolicDim& dim : shape) least.push_back(dim.constant().value_or(1));
    return fits(least);
  }

  /// Gives unknown dimensions a name, and makes elements that are all constant data.
  SymbolicValue named(SymbolicValue value) {
    if (value.shape && !can_be(*value.shape)) {  // refused when the sizes are known
      value.shape.reset();
      value.elements.reset();
    }
    if (value.shape)
      for (SymbolicDim& dim : *value.shape)
        dim = dim.is_unknown() ? fresh(fmt::format("?{}", opaque_++)) : dim.bounded(0);
    if (!value.elements) return value;
    std::vector<std::int64_t> constants;
    bool any = false;
    for (const SymbolicDim& element : *value.elements) {
      any = any || !element.is_unknown();
      if (const auto constant = element.constant()) constants.push_back(*constant);
    }
    if (constants.size() == value.elements->size()) {
      Tensor data(*value.dtype, *value.concrete());
      for (std::size_t i = 0; i < constants.size(); ++i) {
        if (*value.dtype == DType::i64)
          data.data<std::int64_t>()[i] = constants[i];
        else
          data.data<bool>()[i] = constants[i] != 0;
      }
      value.data = std::move(data);
    }
    if (!any || value.data) value.elements.reset();
    return value;
  }

  const Graph& graph_;
  SymbolicFacts facts_;
  std::set<std::string> names_;  ///< of all symbols
  int opaque_ = 0;
};

}  // namespace

SymbolicFacts infer_symbolic(const Graph& graph) { return SymbolicInference(graph).run(); }

}  // namespace edgeclip::engine
