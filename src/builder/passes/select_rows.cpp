#include "builder/passes/select_rows.h"

#include <algorithm>
#include <map>
#include <set>

#include "builder/passes/pattern.h"
#include "builder/passes/row_selection.h"
#include "builder/passes/row_wise.h"

// x ─► F ─► G ─► ... ─► row t ─► y      ⇒  x ─► row t ─► F ─► G ─► ... ─► y        F, G: by rows (row_wise.h)
// The last block of a transformer whose class token, or whose token of the end of the text, alone is read:
//   q ─► MatMul ─► softmax ─► MatMul ─► out projection ─► + ─► norm, MLP ─► + ─► row t ─► y
//   k ──►┘ + mask      v ──►┘              residual ──────►┘
//     ⇒  row t of q, of the mask and of the residual; keys and values as they are, all else for one row.
// The same row for all samples, or one for each, computed by the graph.  Picking a row and what works on rows
// by itself commute, so only the sizes of products change.
// Values keep their names and have one row then.  Refuses (the selection stays where it is) at a value with
// other readers or that is a graph output: it has to be there as a whole; at operators that join rows; where
// shapes are not known well enough; where only views would be passed.
namespace edgeclip::builder {

using namespace engine;

namespace {

class Mover {
 public:
  Mover(Graph& graph, const ShapeFacts& facts, const RowSelection& selection)
      : graph_(graph),
        facts_(facts),
        selection_(selection),
        samples_((*facts.symbolic(selection.value))[0]),
        picker_(graph, facts, selection, samples_),
        reads_(graph.value_count(), 0) {
    for (const ValueId id : graph.outputs) ++reads_[static_cast<std::size_t>(id)];
    for (const Node& node : graph.nodes())
      for (const ValueId id : node.inputs)
        if (id != kNoValue) ++reads_[static_cast<std::size_t>(id)];
  }

  bool run() {
    do {
      wanted_ = {{selection_.value, {selection_.axis, 1}}};
      taken_.clear();
      for (std::size_t i = selection_.node; i-- > 0;)
        if (const auto rows = passes(i)) take(i, *rows);
    } while (has_stopped());
    const bool worth = std::any_of(taken_.begin(), taken_.end(),
                                   [&](const Taken& one) { return !is_view(graph_.nodes()[one.node]); });
    if (worth) rewrite();
    return worth;
  }

 private:
  struct Wanted {
    std::size_t axis;
    int reads;  ///< how many of its readers want these rows alone
  };
  struct Taken {
    std::size_t node, axis;  ///< the axis of its outputs
    RowsOfInputs rows;
    std::vector<std::int64_t> shape;  ///< of a view
  };

  /// Where the selection would end at a value whose rows cannot be picked (heads lie between samples and
  /// rows), it may not pass the nodes that want them.  Whether there was one.
  bool has_stopped() {
    const std::size_t before = stops_.size();
    for (const Taken& one : taken_) {
      const Node& node = graph_.nodes()[one.node];
      for (std::size_t k = 0; k < one.rows.axes.size(); ++k)
        if (one.rows.axes[k] != RowsOfInputs::kWhole && !is_taken(node.inputs[k]) &&
            !picker_.can_pick(node.inputs[k], static_cast<std::size_t>(one.rows.axes[k])))
          stops_.insert(one.node);
    }
    return stops_.size() > before;
  }

  /// The rows of its inputs, if the selection passes node i.
  std::optional<RowsOfInputs> passes(std::size_t i) const {
    if (stops_.count(i) != 0) return {};
    const Node& node = graph_.nodes()[i];
    std::optional<std::size_t> axis;
    for (const ValueId id : node.outputs) {
      if (id == kNoValue) continue;
      const auto wanted = wanted_.find(id);
      const int reads = reads_[static_cast<std::size_t>(id)];
      if (wanted == wanted_.end() ? reads != 0 : wanted->second.reads != reads) return {};
      if (wanted == wanted_.end()) continue;
      if (axis && axis != wanted->second.axis) return {};
      axis = wanted->second.axis;
    }
    if (!axis) return {};
    const auto& out = facts_.symbolic(node.outputs[0]);
    if (!out || (selection_.per_sample() && (*axis == 0 || (*out)[0] != samples_))) return {};
    auto rows = rows_through(graph_, facts_, node, *axis, selection_.per_sample());
    if (!rows || (is_view(node) && !one_row(node, *axis, rows->axes[0]))) return {};
    for (std::size_t k = 0; k < rows->axes.size(); ++k) {
      if (rows->axes[k] == RowsOfInputs::kWhole) continue;
      const auto at = static_cast<std::size_t>(rows->axes[k]);
      const auto wanted = wanted_.find(node.inputs[k]);
      if (wanted != wanted_.end() && wanted->second.axis != at) return {};
    }
    return rows;
  }

  void take(std::size_t i, const RowsOfInputs& rows) {
    const Node& node = graph_.nodes()[i];
    const std::size_t axis = wanted_.at(*std::find_if(node.outputs.begin(), node.outputs.end(), [&](ValueId id) {
                                          return wanted_.count(id) != 0;
                                        })).axis;
    for (std::size_t k = 0; k < rows.axes.size(); ++k)
      if (rows.axes[k] != RowsOfInputs::kWhole)
        ++wanted_.try_emplace(node.inputs[k], Wanted{static_cast<std::size_t>(rows.axes[k]), 0}).first->second.reads;
    taken_.push_back({i, axis, rows, is_view(node) ? *one_row(node, axis, rows.axes[0]) : std::vector<std::int64_t>{}});
  }

  /// What a view has to be reshaped to when there is one row along the axis of its output and that of its
  /// input; nothing if it takes more than one dimension that is not known.
  std::optional<std::vector<std::int64_t>> one_row(const Node& view, std::size_t axis, std::ptrdiff_t from_axis) const {
    const SymbolicShape &from = *facts_.symbolic(view.inputs[0]), &to = *facts_.symbolic(view.outputs[0]);
    std::vector<std::int64_t> target;
    bool open = false;
    for (std::size_t i = 0; i < to.size(); ++i) {
      const auto size = to[i].constant();
      if (i == axis)
        target.push_back(1);
      else if (size && *size > 0)
        target.push_back(*size);
      else if (!size && i < from.size() && static_cast<std::ptrdiff_t>(i) != from_axis && from[i] == to[i])
        target.push_back(0);  // as it is there
      else if (!size && !open)
        target.push_back(-1), open = true;
      else
        return {};
    }
    return target;
  }

  void rewrite() {
    std::reverse(taken_.begin(), taken_.end());
    std::vector<Node> moved;
    for (const Taken& one : taken_) {
      Node node = graph_.nodes()[one.node];
      for (std::size_t k = 0; k < one.rows.axes.size(); ++k)
        if (one.rows.axes[k] != RowsOfInputs::kWhole && !is_taken(node.inputs[k]))
          node.inputs[k] = pick(node.inputs[k], static_cast<std::size_t>(one.rows.axes[k]), one.axis);
      if (is_view(node)) reshape(node, one.shape);
      moved.push_back(std::move(node));
    }
    for (const Node& node : moved)
      for (const ValueId id : node.outputs)
        if (id != kNoValue && graph_.value(id).shape) graph_.value(id).shape->at(axis_of(id)) = 1;

    // All that is moved stands before the selection now, behind what its rows are computed from.
    std::vector<Node> nodes;
    for (std::size_t i = 0; i < graph_.nodes().size(); ++i) {
      if (i == selection_.node) {
        for (Node& node : picker_.nodes) nodes.push_back(std::move(node));
        for (Node& node : moved) nodes.push_back(std::move(node));
        nodes.push_back(what_is_left());
      } else if (!is_taken_node(i)) {
        nodes.push_back(std::move(graph_.nodes()[i]));
      }
    }
    graph_.nodes() = std::move(nodes);
  }

  /// The rows of a value that stays whole.  Of one that is dequantized they are picked before, and dequantized by
  /// themselves: products look for the DequantizeLinear in front of them.
  ValueId pick(ValueId value, std::size_t axis, std::size_t axis_of_output) {
    const auto producer = graph_.producer(value);
    if (!producer || !graph_.nodes()[*producer].is("DequantizeLinear")) return picker_.pick(value, axis, axis_of_output);
    const auto made = dequantized_.find(value);
    if (made != dequantized_.end()) return made->second;
    Node node = graph_.nodes()[*producer];
    const auto rows = rows_through(graph_, facts_, node, axis, selection_.per_sample());
    if (!rows || !picker_.can_pick(node.inputs[0], axis)) return picker_.pick(value, axis, axis_of_output);
    node.inputs[0] = picker_.pick(node.inputs[0], axis, axis_of_output);
    Value one = graph_.value(value);
    one.name += "/" + graph_.nodes()[selection_.node].name;
    if (one.shape) one.shape->at(axis) = 1;
    node.name = one.name;
    node.outputs = {graph_.add_value(std::move(one))};
    dequantized_[value] = node.outputs[0];
    picker_.nodes.push_back(node);
    return node.outputs[0];
  }

  std::size_t axis_of(ValueId id) const {
    const auto wanted = wanted_.find(id);
    if (wanted != wanted_.end()) return wanted->second.axis;
    for (const Taken& one : taken_)  // an output nobody reads lies as the others
      for (const ValueId output : graph_.nodes()[one.node].outputs)
        if (output == id) return one.axis;
    return 0;
  }

  void reshape(Node& view, const std::vector<std::int64_t>& target) {
    const ValueId shape = graph_.add_constant(
        view.name + "/one_row", Tensor::from<std::int64_t>({static_cast<std::int64_t>(target.size())}, target));
    become_onnx(view, "Reshape", 13, {view.inputs[0], shape});
  }

  /// The value has one row where the selection stood.
  Node what_is_left() {
    Node node = graph_.nodes()[selection_.node];
    if (!selection_.drops_axis) {
      become_onnx(node, "Identity", 13, {selection_.value});
      return node;
    }
    const ValueId axes = graph_.add_constant(
        node.name + "/axis", Tensor::from<std::int64_t>({1}, {static_cast<std::int64_t>(selection_.axis)}));
    become_onnx(node, "Squeeze", 13, {selection_.value, axes});
    return node;
  }

  bool is_taken_node(std::size_t i) const {
    return std::any_of(taken_.begin(), taken_.end(), [&](const Taken& one) { return one.node == i; });
  }
  bool is_taken(ValueId id) const {
    return std::any_of(taken_.begin(), taken_.end(), [&](const Taken& one) {
      const auto& outputs = graph_.nodes()[one.node].outputs;
      return std::find(outputs.begin(), outputs.end(), id) != outputs.end();
    });
  }

  Graph& graph_;
  const ShapeFacts& facts_;
  const RowSelection& selection_;
  const SymbolicDim samples_;
  RowPicker picker_;
  std::vector<int> reads_;
  std::map<ValueId, Wanted> wanted_;
  std::vector<Taken> taken_;  ///< from the selection up
  std::set<std::size_t> stops_;
  std::map<ValueId, ValueId> dequantized_;  ///< rows of dequantized values
};

/// Moves the first selection that can be moved.
bool move_one(Graph& graph) {
  const ShapeFacts facts(graph);
  for (std::size_t i = 0; i < graph.nodes().size(); ++i)
    if (const auto selection = row_selection_of(graph, facts, i))
      if (Mover(graph, facts, *selection).run()) return true;
  return false;
}

}  // namespace

int select_rows(Graph& graph) {
  const auto may_select = [](const Node& node) {
    return node.is("Gather") || node.is("Slice") || node.is("GatherND");
  };
  if (std::none_of(graph.nodes().begin(), graph.nodes().end(), may_select)) return 0;
  int count = 0;
  while (move_one(graph)) ++count;
  if (count > 0) graph.remove_dead();
  return count;
}

}  // namespace edgeclip::builder
